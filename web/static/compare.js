// Best so far of several campaigns: a step line each, with a band where there are several seeds.
import { chart } from "./charts.js";

const NAMES = { evaluations: "evaluations", usd: "USD", time: "seconds of engine time" };

// As ECharts stacks it: the lower edge invisibly, and the band's height on top of it.
function band(line, colour) {
  const edge = { type: "line", step: "end", symbol: "none", silent: true, lineStyle: { opacity: 0 }, stack: line.label, stackStrategy: "all", tooltip: { show: false } };
  return [
    { ...edge, data: line.x.map((x, i) => [x, line.low[i]]) },
    { ...edge, data: line.x.map((x, i) => [x, line.high[i] - line.low[i]]), areaStyle: { color: colour, opacity: 0.2 } },
  ];
}

for (const figure of document.querySelectorAll("figure[data-compare]")) {
  const answer = await fetch(figure.dataset.compare);
  if (!answer.ok) continue;
  const told = await answer.json();
  await chart(figure.querySelector(".canvas"), async (colours) => ({
    grid: { left: 70, right: 20, top: 60, bottom: 50 },
    legend: { type: "scroll", top: 0, data: told.lines.map((line) => line.label), textStyle: { color: colours.text } },
    tooltip: { trigger: "axis" },
    xAxis: { type: "value", name: NAMES[told.axis], nameLocation: "middle", nameGap: 30, min: 0 },
    yAxis: { type: "value", name: told.objective, scale: true },
    series: told.lines.flatMap((line, i) => {
      const colour = colours.series[i % colours.series.length];
      const middle = { name: line.label, type: "line", step: "end", symbol: line.x.length > 60 ? "none" : "circle", symbolSize: 4, color: colour, data: line.x.map((x, j) => [x, line.middle[j]]) };
      return line.members.length > 1 ? [...band(line, colour), middle] : [middle];
    }),
  }));
}
