PRAGMA application_id = 1297306179;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0007');
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
INSERT INTO "artifact" VALUES(1,7,0,'a.txt','text/plain',X'8B6DF8C11847ADA8266BAD5B8737F94C208C411A3EBE18E27AAD31BFB7EB8767');
INSERT INTO "artifact" VALUES(1,13,0,'a.txt','text/plain',X'8B6DF8C11847ADA8266BAD5B8737F94C208C411A3EBE18E27AAD31BFB7EB8767');
INSERT INTO "artifact" VALUES(1,19,0,'a.txt','text/plain',X'8B6DF8C11847ADA8266BAD5B8737F94C208C411A3EBE18E27AAD31BFB7EB8767');
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
INSERT INTO "blob" VALUES(1,X'DBE37AC31A72D7EA53B9EBEE11146250C80C9F28852885229DCF56019EA1F465',6,0,X'78203D20300A');
INSERT INTO "blob" VALUES(2,X'02DF4D3886527D0F2A077C9F5F4BCD01F836DD2217851D4F0A38B61CCA55EC1D',29,0,X'646566206576616C756174652863616E646964617465293A202E2E2E0A');
INSERT INTO "blob" VALUES(3,X'9D4DD9ACC0A9D8809A029F994C40E54BBA45159FBEC581B185C88790AD8ACF8A',9,0,X'696D70726F76652030');
INSERT INTO "blob" VALUES(4,X'7AD8A9B1CCB0932FE62850716DD767847A75C1E68ED97C80614E65F7C009FF3E',7,0,X'7265706C792030');
INSERT INTO "blob" VALUES(5,X'762069BC07A6E1B5DF123A5AE7BD91C10DAA04694FBAA17FBA0CD6A8DCCE8F22',3,0,X'6F7574');
INSERT INTO "blob" VALUES(6,X'8B6DF8C11847ADA8266BAD5B8737F94C208C411A3EBE18E27AAD31BFB7EB8767',5,0,X'647261776E');
INSERT INTO "blob" VALUES(7,X'55D190CC5623958E50110D16F68EA90943C9D0821253CC7B4D46E90B1AE3D5D9',9,0,X'696D70726F76652031');
INSERT INTO "blob" VALUES(8,X'FDE46A3D985F53A8A5007FAD0EE64736E0DEC7370B8A36A24817B5E3F22B7971',7,0,X'7265706C792031');
INSERT INTO "blob" VALUES(9,X'9E26BF369911C45C243C684147B23FC9E1DCFCF257D299A1C632016A6FCD33F4',6,0,X'78203D20310A');
INSERT INTO "blob" VALUES(10,X'77A7AE097440B0FCFB555B18643F8C07A1DCD0F2338B2BF422EC7D34B8756350',9,0,X'696D70726F76652032');
INSERT INTO "blob" VALUES(11,X'7289CE0398E65D0F09B3368357FAB9E9A061DEDE46B8000D85EA43AED1842CBB',7,0,X'7265706C792032');
INSERT INTO "blob" VALUES(12,X'4205C4809AB1B080FD32B6BF9640E5FEAA6D1B69BF9FA684954AB710157EC141',6,0,X'78203D20320A');
INSERT INTO "blob" VALUES(13,X'D00E715BB8832EB36C95636F0C846AD07AA3805514EDE620C9F4B6D7316705B4',5,0,X'61736B2031');
INSERT INTO "blob" VALUES(14,X'C48E71D321B60361ACCCFD1F6BA2ABCEF70AD77DD351BCFBB52C928E84DE2974',7,0,X'61736B65642031');
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
INSERT INTO "campaign" VALUES(1,'packing-zeaf6a','packing',1.79524595476272058481e+09,'radii','maximize','4d2245e4bf18ab2e41b9d48a42ba11ecc8693de9598ffffdedf52541bd2f7e0a');
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
INSERT INTO "campaign_file" VALUES(1,'evaluator',1,0,'evaluator.py',X'02DF4D3886527D0F2A077C9F5F4BCD01F836DD2217851D4F0A38B61CCA55EC1D');
INSERT INTO "campaign_file" VALUES(1,'seed',1,0,'pack.py',X'DBE37AC31A72D7EA53B9EBEE11146250C80C9F28852885229DCF56019EA1F465');
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
    seq INTEGER NOT NULL, model TEXT, temperature REAL,
    PRIMARY KEY ("key"),
    FOREIGN KEY(campaign, step) REFERENCES step (campaign, number),
    UNIQUE (campaign, number),
    UNIQUE (campaign, step, call)
)
 STRICT;
INSERT INTO "candidate" VALUES(1,1,0,0,0,6,X'4D2245E4BF18AB2E41B9D48A42BA11ECC8693DE9598FFFFDEDF52541BD2F7E0A',6,'evolve',0,'name 0','','','scored','evaluate',0.0,7,'offline/evolve',0.8);
INSERT INTO "candidate" VALUES(2,1,1,1,0,12,X'442701D7899E2A6AF644BCB7228442C41AFA7FBE49E122D319E1D0260ECD86AE',6,'evolve',0,'name 1','','','scored','evaluate',1.0,13,'offline/evolve',0.8);
INSERT INTO "candidate" VALUES(3,1,2,2,0,18,X'615EFF92E8D11D1EC2035C38F88FC86A7F8A5C98A4AACEBDDA73D7574A953474',6,'evolve',0,'name 2','','','scored','evaluate',2.0,19,'offline/evolve',0.8);
INSERT INTO "candidate" VALUES(4,1,3,3,0,22,NULL,0,'evolve',NULL,'','','no code','rejected','',NULL,22,NULL,NULL);
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
INSERT INTO "candidate_file" VALUES(1,0,0,'pack.py',X'DBE37AC31A72D7EA53B9EBEE11146250C80C9F28852885229DCF56019EA1F465');
INSERT INTO "candidate_file" VALUES(1,1,0,'pack.py',X'9E26BF369911C45C243C684147B23FC9E1DCFCF257D299A1C632016A6FCD33F4');
INSERT INTO "candidate_file" VALUES(1,2,0,'pack.py',X'4205C4809AB1B080FD32B6BF9640E5FEAA6D1B69BF9FA684954AB710157EC141');
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
 STRICT

;
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
 STRICT

;
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
    stderr BLOB, memory INTEGER,
    PRIMARY KEY (campaign, seq),
    FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number),
    FOREIGN KEY(stdout) REFERENCES blob (digest),
    FOREIGN KEY(stderr) REFERENCES blob (digest)
)
 WITHOUT ROWID,
 STRICT;
INSERT INTO "evaluation" VALUES(1,7,0,'validation','scored','wider','',0.5,X'762069BC07A6E1B5DF123A5AE7BD91C10DAA04694FBAA17FBA0CD6A8DCCE8F22',NULL,NULL);
INSERT INTO "evaluation" VALUES(1,13,1,'validation','scored','wider','',0.5,X'762069BC07A6E1B5DF123A5AE7BD91C10DAA04694FBAA17FBA0CD6A8DCCE8F22',NULL,41500000);
INSERT INTO "evaluation" VALUES(1,19,2,'validation','scored','wider','',0.5,X'762069BC07A6E1B5DF123A5AE7BD91C10DAA04694FBAA17FBA0CD6A8DCCE8F22',NULL,NULL);
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
INSERT INTO "event" VALUES(1,1,1.79524595476272058481e+09,'created',NULL,NULL,'packing');
INSERT INTO "event" VALUES(1,2,1.79524595476448750501e+09,'started',NULL,NULL,'process 1 on host');
INSERT INTO "event" VALUES(1,3,1.79524595476460123062e+09,'opened',0,NULL,'');
INSERT INTO "event" VALUES(1,4,1.79524595476483488087e+09,'asked',0,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,5,1.79524595476504468917e+09,'answered',0,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,6,1.79524595476534199714e+09,'queued',0,0,'evolve');
INSERT INTO "event" VALUES(1,7,1.79524595476597332958e+09,'settled',0,0,'scored');
INSERT INTO "event" VALUES(1,8,1.79524595476618742937e+09,'ended',0,NULL,'');
INSERT INTO "event" VALUES(1,9,1.79524595476625633237e+09,'opened',1,NULL,'');
INSERT INTO "event" VALUES(1,10,1.7952459547663626671e+09,'asked',1,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,11,1.79524595476650118824e+09,'answered',1,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,12,1.79524595476667952532e+09,'queued',1,1,'evolve');
INSERT INTO "event" VALUES(1,13,1.79524595476704335213e+09,'settled',1,1,'scored');
INSERT INTO "event" VALUES(1,14,1.79524595476721358306e+09,'ended',1,NULL,'');
INSERT INTO "event" VALUES(1,15,1795245954.76727,'opened',2,NULL,'');
INSERT INTO "event" VALUES(1,16,1.79524595476736664768e+09,'asked',2,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,17,1.79524595476749086386e+09,'answered',2,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,18,1.79524595476764369014e+09,'queued',2,2,'evolve');
INSERT INTO "event" VALUES(1,19,1.79524595476791763303e+09,'settled',2,2,'scored');
INSERT INTO "event" VALUES(1,20,1.79524595476807451253e+09,'ended',2,NULL,'');
INSERT INTO "event" VALUES(1,21,1.79524595476813125611e+09,'opened',3,NULL,'');
INSERT INTO "event" VALUES(1,22,1.79524595476820540427e+09,'settled',3,3,'rejected');
INSERT INTO "event" VALUES(1,23,1.79524595476833152777e+09,'asked',3,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,24,1.79524595476847147936e+09,'lost',3,NULL,'offline/evolve');
INSERT INTO "event" VALUES(1,25,1.79524595476855349535e+09,'stopped',NULL,NULL,'');
INSERT INTO "event" VALUES(1,26,1.79524595476861548422e+09,'finished',NULL,NULL,'evaluations');
INSERT INTO "event" VALUES(1,27,1.79526745415544366837e+09,'asked',1,1,'m');
INSERT INTO "event" VALUES(1,28,1.79526745415648317336e+09,'answered',1,1,'m');
INSERT INTO "event" VALUES(1,29,1.79528107062235927583e+09,'recorded',2,NULL,'idea');
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
 STRICT

;
CREATE TABLE "exchange" (
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
	reasoning_tokens INTEGER NOT NULL, 
	usd REAL, 
	seconds REAL NOT NULL, 
	cache_write_tokens INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (campaign, step, asker, call, generation), 
	FOREIGN KEY(reply) REFERENCES blob (digest), 
	FOREIGN KEY(campaign, step) REFERENCES step (campaign, number), 
	FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "exchange" VALUES(1,0,-1,0,0,4,5,'propose','offline/evolve','answered','{"temperature": 0.8}',0.5,9,X'7AD8A9B1CCB0932FE62850716DD767847A75C1E68ED97C80614E65F7C009FF3E','stop','',1,3,4,0,0,0.25,0.0,0);
INSERT INTO "exchange" VALUES(1,1,-1,0,0,10,11,'propose','offline/evolve','answered','{"temperature": 0.8}',0.5,9,X'FDE46A3D985F53A8A5007FAD0EE64736E0DEC7370B8A36A24817B5E3F22B7971','stop','',1,3,4,0,0,0.25,0.0,0);
INSERT INTO "exchange" VALUES(1,1,1,0,0,27,28,'agent','m','answered','{}',0.0,0,X'C48E71D321B60361ACCCFD1F6BA2ABCEF70AD77DD351BCFBB52C928E84DE2974','','',1,3,4,0,0,0.5,0.0,0);
INSERT INTO "exchange" VALUES(1,2,-1,0,0,16,17,'propose','offline/evolve','answered','{"temperature": 0.8}',0.5,9,X'7289CE0398E65D0F09B3368357FAB9E9A061DEDE46B8000D85EA43AED1842CBB','stop','',1,3,4,0,0,0.25,0.0,0);
INSERT INTO "exchange" VALUES(1,3,-1,0,0,23,24,'propose','offline/evolve','lost','{}',0.0,0,NULL,'','',0,0,0,0,0,0.0,0.0,0);
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
 STRICT

;
INSERT INTO "fact" VALUES(1,29,0,2,0,'idea','{"kind":"idea","title":"Larger numbers","claim":"They help.","mechanism":"","expected":"","assumptions":[],"predicted":null,"operator":"explore","parents":[],"candidates":[]}');
CREATE TABLE fingerprint (
	campaign INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	candidate INTEGER NOT NULL, 
	vector BLOB, 
	PRIMARY KEY (campaign, kind, candidate), 
	FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT

;
CREATE TABLE fingerprint_key (
	campaign INTEGER NOT NULL, 
	"key" INTEGER NOT NULL, 
	candidate INTEGER NOT NULL, 
	PRIMARY KEY (campaign, "key", candidate), 
	FOREIGN KEY(campaign, candidate) REFERENCES candidate (campaign, number)
)
 WITHOUT ROWID,
 STRICT

;
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
INSERT INTO "improvement" VALUES(1,7,0,1,1.22407199978624703362e-03,0.25,0.0);
INSERT INTO "improvement" VALUES(1,13,1,2,2.33379299970692954957e-03,0.5,1.0);
INSERT INTO "improvement" VALUES(1,19,2,3,3.2854900000529596582e-03,0.75,2.0);
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
 STRICT

;
INSERT INTO "large_artifact" VALUES(1,13,1,1,'w.pt','application/octet-stream',70000,X'F51B279903037B37EA1828A1021499995718D38016CAD6C0DA30962A41BE052F',0,NULL);
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
INSERT INTO "lease" VALUES(1,'7868eb60493d21e630c233a94b1f428c','host','machine',1,374918,1.79524595476425194743e+09,1);
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
INSERT INTO "lineage" VALUES(1,1,0,0);
INSERT INTO "lineage" VALUES(1,2,0,1);
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
	FOREIGN KEY(blob) REFERENCES blob (digest), 
	FOREIGN KEY(campaign, step, asker, call, generation) REFERENCES exchange (campaign, step, asker, call, generation)
)
 WITHOUT ROWID,
 STRICT

;
INSERT INTO "message" VALUES(1,0,-1,0,0,0,'user',X'9D4DD9ACC0A9D8809A029F994C40E54BBA45159FBEC581B185C88790AD8ACF8A');
INSERT INTO "message" VALUES(1,1,-1,0,0,0,'user',X'55D190CC5623958E50110D16F68EA90943C9D0821253CC7B4D46E90B1AE3D5D9');
INSERT INTO "message" VALUES(1,1,1,0,0,0,'user',X'D00E715BB8832EB36C95636F0C846AD07AA3805514EDE620C9F4B6D7316705B4');
INSERT INTO "message" VALUES(1,2,-1,0,0,0,'user',X'77A7AE097440B0FCFB555B18643F8C07A1DCD0F2338B2BF422EC7D34B8756350');
CREATE TABLE "progress" (
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
	cache_write_tokens INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (campaign), 
	FOREIGN KEY(campaign) REFERENCES campaign ("key")
)
 STRICT

;
INSERT INTO "progress" VALUES(1,29,4,4,3,0,0,0,0,0,1,12,16,0,0,1.25,0,0.0,0.0,0,0,2.0,3.98447999987183720804e-03,'finished','evaluations',0);
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
INSERT INTO "score" VALUES(1,7,0,0,'radii',0,1,0.0,0.0,2.0,3);
INSERT INTO "score" VALUES(1,7,0,1,'secret',1,1,1.0,0.0,2.0,3);
INSERT INTO "score" VALUES(1,13,0,0,'radii',0,1,1.0,1.0,3.0,3);
INSERT INTO "score" VALUES(1,13,0,1,'secret',1,1,2.0,1.0,3.0,3);
INSERT INTO "score" VALUES(1,19,0,0,'radii',0,1,2.0,2.0,4.0,3);
INSERT INTO "score" VALUES(1,19,0,1,'secret',1,1,3.0,2.0,4.0,3);
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
INSERT INTO "settings" VALUES(1,1,'/campaigns/packing','{"name":null,"task":"Pack circles.","objectives":{"radii":"maximize"},"seed":0,"concurrency":8,"lanes":null,"program":{"files":["program.py"]},"evaluator":{"file":null,"module":null,"plugin":null,"function":"evaluate","stages":[],"harness":[],"metrics":[],"private":["secret"],"repeats":1,"test":false,"timeout":3600.0},"strategy":{"name":"map_elites","options":{}},"models":{"default":null,"propose":null,"reflect":null,"review":null,"judge":null,"value":null,"summarise":null,"agent":null,"api_base":null,"temperature":0.8,"max_tokens":8192,"timeout":300.0,"retries":6,"prices":{}},"budget":{"evaluations":100,"usd":null,"tokens":null,"minutes":null,"target":null},"sandbox":{"provider":"auto","timeout":30.0,"memory":1073741824,"cpus":1.0,"pids":64,"disk":268435456,"output":16777216,"preload":[],"paths":[]}}','a08577e6b03dc7358ab05e3b50487a68b49115c1186581ffdc9d77d31c997656');
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
INSERT INTO "stage" VALUES(1,7,0,'evaluate',1,0.5);
INSERT INTO "stage" VALUES(1,13,0,'evaluate',1,0.5);
INSERT INTO "stage" VALUES(1,19,0,'evaluate',1,0.5);
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
 STRICT

;
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
INSERT INTO "step" VALUES(1,0,3,8);
INSERT INTO "step" VALUES(1,1,9,14);
INSERT INTO "step" VALUES(1,2,15,20);
INSERT INTO "step" VALUES(1,3,21,NULL);
CREATE INDEX campaign_name ON campaign (name);
CREATE INDEX step_unfinished ON step (campaign, seq) WHERE ended IS NULL;
CREATE UNIQUE INDEX candidate_digest ON candidate (campaign, digest) WHERE rejection = '';
CREATE INDEX candidate_gain ON candidate (campaign, gain DESC, number) WHERE gain IS NOT NULL;
CREATE INDEX candidate_queued ON candidate (campaign, number) WHERE outcome IS NULL;
CREATE INDEX candidate_settled ON candidate (campaign, seq) WHERE outcome IS NOT NULL;
CREATE INDEX evaluation_candidate ON evaluation (campaign, candidate, seq);
CREATE INDEX lineage_parent ON lineage (campaign, parent, child);
CREATE INDEX step_ended ON step (campaign, ended);
CREATE INDEX fact_kind ON fact (campaign, kind, seq);
CREATE INDEX exchange_seq ON exchange (campaign, seq);
CREATE INDEX exchange_pending ON exchange (campaign) WHERE state = 'pending';
CREATE INDEX command_waiting ON command (campaign, seq) WHERE answered IS NULL;
CREATE INDEX steered_step ON steered (campaign, step);
CREATE INDEX large_artifact_kept ON large_artifact (campaign, candidate, size) WHERE data IS NOT NULL;
COMMIT;
