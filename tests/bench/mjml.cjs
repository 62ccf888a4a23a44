// Official MJML, measured from inside: prints CPU milliseconds of each compile as a line of JSON.
//
// node tests/bench/mjml.cjs MODULE FILE RUNS
"use strict";
const fs = require("fs");
const [, , module_, file, runs] = process.argv;
const loaded = require(module_);
const compile = loaded.default || loaded;
const source = fs.readFileSync(file, "utf8");

async function main() {
  const took = [];
  let octets = 0;
  for (let number = 0; number < Number(runs); number++) {
    const before = process.cpuUsage();
    const { html } = await compile(source, { validationLevel: "skip", keepComments: true, fonts: {} });
    const used = process.cpuUsage(before);
    took.push((used.user + used.system) / 1000);
    octets = Buffer.byteLength(html);
  }
  console.log(JSON.stringify({ took, octets }));
}
main();
