CREATE TABLE blob (
    "key" INTEGER NOT NULL,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    zstd INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY ("key"),
    UNIQUE (digest)
)
 STRICT;

CREATE TABLE campaign (
    "key" INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    objective TEXT NOT NULL,
    direction TEXT NOT NULL,
    seed_digest TEXT NOT NULL,
    PRIMARY KEY ("key"),
    UNIQUE (id)
)
 STRICT;

CREATE INDEX campaign_name ON campaign (name);

CREATE TABLE campaign_file (
    campaign INTEGER NOT NULL,
    kind TEXT NOT NULL,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    path TEXT NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (campaign, kind, seq, position),
    FOREIGN KEY(campaign) REFERENCES campaign ("key"),
    FOREIGN KEY(blob) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE command (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at REAL NOT NULL,
    who TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    answered REAL,
    taken INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign) REFERENCES campaign ("key"),
    UNIQUE (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX command_waiting ON command (campaign, seq) WHERE answered IS NULL;

CREATE TABLE device_sample (
    campaign INTEGER NOT NULL,
    at REAL NOT NULL,
    uuid TEXT NOT NULL,
    name TEXT NOT NULL,
    busy REAL,
    memory INTEGER NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (campaign, at, uuid),
    FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE event (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    step INTEGER,
    candidate INTEGER,
    detail TEXT NOT NULL,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX event_started ON event (campaign, seq) WHERE kind = 'started';

CREATE TABLE lease (
    campaign INTEGER NOT NULL,
    token TEXT NOT NULL,
    host TEXT NOT NULL,
    machine TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    beat REAL NOT NULL,
    released INTEGER NOT NULL,
    PRIMARY KEY (campaign),
    FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 STRICT;

CREATE TABLE progress (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    candidates INTEGER NOT NULL,
    scored INTEGER NOT NULL,
    invalid INTEGER NOT NULL,
    crashed INTEGER NOT NULL,
    timed_out INTEGER NOT NULL,
    out_of_memory INTEGER NOT NULL,
    output_limit INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER DEFAULT 0 NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    usd REAL NOT NULL,
    unpriced INTEGER NOT NULL,
    model_seconds REAL NOT NULL,
    lost_usd REAL NOT NULL,
    lost_unpriced INTEGER NOT NULL,
    lost_tokens INTEGER NOT NULL,
    best_gain REAL,
    seconds REAL NOT NULL,
    ended TEXT,
    reason TEXT NOT NULL,
    PRIMARY KEY (campaign),
    FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 STRICT;

CREATE TABLE settings (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    folder TEXT NOT NULL,
    settings TEXT NOT NULL,
    evaluator_digest TEXT NOT NULL,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE step (
    campaign INTEGER NOT NULL,
    number INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    ended INTEGER,
    PRIMARY KEY (campaign, number),
    FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX step_ended ON step (campaign, ended);

CREATE INDEX step_unfinished ON step (campaign, seq) WHERE ended IS NULL;

CREATE TABLE candidate (
    "key" INTEGER NOT NULL,
    campaign INTEGER NOT NULL,
    number INTEGER NOT NULL,
    step INTEGER NOT NULL,
    call INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    digest BLOB,
    length INTEGER NOT NULL,
    operator TEXT NOT NULL,
    island INTEGER,
    name TEXT NOT NULL,
    thought TEXT NOT NULL,
    rejection TEXT NOT NULL,
    outcome TEXT,
    stage TEXT NOT NULL,
    gain REAL,
    seq INTEGER NOT NULL,
    model TEXT,
    temperature REAL,
    PRIMARY KEY ("key"),
    FOREIGN KEY(campaign, step) REFERENCES step (campaign, number),
    UNIQUE (campaign, number),
    UNIQUE (campaign, step, call)
)
 STRICT;

CREATE UNIQUE INDEX candidate_digest ON candidate (campaign, digest) WHERE rejection = '';

CREATE INDEX candidate_gain ON candidate (campaign, gain DESC, number) WHERE gain IS NOT NULL;

CREATE INDEX candidate_queued ON candidate (campaign, number) WHERE outcome IS NULL;

CREATE INDEX candidate_settled ON candidate (campaign, seq) WHERE outcome IS NOT NULL;

CREATE TABLE exchange (
    campaign INTEGER NOT NULL,
    step INTEGER NOT NULL,
    asker INTEGER NOT NULL,
    call INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    role TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    parameters TEXT NOT NULL,
    reserved_usd REAL,
    reserved_tokens INTEGER NOT NULL,
    reply BLOB,
    finish_reason TEXT NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER DEFAULT 0 NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    usd REAL,
    seconds REAL NOT NULL,
    PRIMARY KEY (campaign, step, asker, call, generation),
    FOREIGN KEY(campaign) REFERENCES campaign ("key"),
    FOREIGN KEY(campaign, step) REFERENCES step (campaign, number),
    FOREIGN KEY(reply) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX exchange_pending ON exchange (campaign) WHERE state = 'pending';

CREATE INDEX exchange_seq ON exchange (campaign, seq);

CREATE TABLE fact (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    step INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign, step) REFERENCES step (campaign, number),
    UNIQUE (campaign, number),
    UNIQUE (campaign, step, position)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX fact_kind ON fact (campaign, kind, seq);

CREATE TABLE steered (
    campaign INTEGER NOT NULL,
    command INTEGER NOT NULL,
    step INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (campaign, command, step),
    FOREIGN KEY(campaign, step) REFERENCES step (campaign, number),
    FOREIGN KEY(campaign, command) REFERENCES command (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX steered_step ON steered (campaign, step);

CREATE TABLE candidate_file (
    campaign INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    position INTEGER NOT NULL,
    path TEXT NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (campaign, candidate, position),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number),
    FOREIGN KEY(blob) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE duplicate (
    campaign INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    original INTEGER NOT NULL,
    measure TEXT NOT NULL,
    similarity REAL NOT NULL,
    PRIMARY KEY (campaign, candidate),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number),
    FOREIGN KEY(campaign, original) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE evaluation (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    split TEXT NOT NULL,
    outcome TEXT NOT NULL,
    feedback TEXT NOT NULL,
    error TEXT NOT NULL,
    seconds REAL NOT NULL,
    stdout BLOB,
    stderr BLOB,
    memory INTEGER,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number),
    FOREIGN KEY(stdout) REFERENCES blob (digest),
    FOREIGN KEY(stderr) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX evaluation_candidate ON evaluation (campaign, candidate, seq);

CREATE TABLE fingerprint (
    campaign INTEGER NOT NULL,
    kind TEXT NOT NULL,
    candidate INTEGER NOT NULL,
    vector BLOB,
    PRIMARY KEY (campaign, kind, candidate),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE fingerprint_key (
    campaign INTEGER NOT NULL,
    "key" INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    PRIMARY KEY (campaign, "key", candidate),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE improvement (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    evaluations INTEGER NOT NULL,
    seconds REAL NOT NULL,
    usd REAL,
    score REAL NOT NULL,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE lineage (
    campaign INTEGER NOT NULL,
    child INTEGER NOT NULL,
    position INTEGER NOT NULL,
    parent INTEGER NOT NULL,
    PRIMARY KEY (campaign, child, position),
    FOREIGN KEY(campaign, child) REFERENCES candidate (campaign, number),
    FOREIGN KEY(campaign, parent) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX lineage_parent ON lineage (campaign, parent, child);

CREATE TABLE message (
    campaign INTEGER NOT NULL,
    step INTEGER NOT NULL,
    asker INTEGER NOT NULL,
    call INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (campaign, step, asker, call, generation, position),
    FOREIGN KEY(campaign, step, asker, call, generation) REFERENCES exchange (campaign, step, asker, call, generation),
    FOREIGN KEY(blob) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE placement (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    lanes INTEGER NOT NULL,
    devices TEXT NOT NULL,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX placement_candidate ON placement (campaign, candidate, seq);

CREATE INDEX placement_lane ON placement (campaign, lane, seq);

CREATE TABLE artifact (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (campaign, seq, position),
    FOREIGN KEY(campaign, seq) REFERENCES evaluation (campaign, seq),
    FOREIGN KEY(blob) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE large_artifact (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    candidate INTEGER NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    zstd INTEGER NOT NULL,
    data BLOB,
    PRIMARY KEY (campaign, seq, position),
    FOREIGN KEY(campaign, seq) REFERENCES evaluation (campaign, seq),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number)
)
 STRICT;

CREATE INDEX large_artifact_kept ON large_artifact (campaign, candidate, size) WHERE data IS NOT NULL;

CREATE TABLE stage (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    stage TEXT NOT NULL,
    passed INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (campaign, seq, position),
    FOREIGN KEY(campaign, seq) REFERENCES evaluation (campaign, seq)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE score (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    position INTEGER NOT NULL,
    metric TEXT NOT NULL,
    private INTEGER NOT NULL,
    counts INTEGER NOT NULL,
    value REAL NOT NULL,
    low REAL NOT NULL,
    high REAL NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (campaign, seq, stage, position),
    FOREIGN KEY(campaign, seq, stage) REFERENCES stage (campaign, seq, position)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE example_scores (
    campaign INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    position INTEGER NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (campaign, seq, stage, position),
    FOREIGN KEY(campaign, seq, stage, position) REFERENCES score (campaign, seq, stage, position),
    FOREIGN KEY(blob) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;
