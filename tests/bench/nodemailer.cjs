// nodemailer's pooled transport, measured from inside: prints a line of JSON.
//
// node tests/bench/nodemailer.cjs MODULE '{"port": ..., "messages": ..., "octets": ..., "connections": ...}' raw|composed
//
// raw: one constant message, handed over as it goes out. composed: HTML and text, as its users write them.
"use strict";
const fs = require("fs");
const [, , module_, json, how] = process.argv;
const { port, messages, octets, connections } = JSON.parse(json);
const line = "x".repeat(74) + "\r\n";
const filler = line.repeat(Math.floor(octets / 76));
const raw = "To: reader\r\nSubject: The week\r\n\r\n" + filler;
const transport = require(module_).createTransport({
  ...{ pool: true, host: "127.0.0.1", port, secure: false, ignoreTLS: true },
  ...{ maxConnections: connections, maxMessages: 1e9 },
});

let next = 0;
async function worker() {
  for (let number = next++; number < messages; number = next++) {
    const to = `reader${number}@example.org`;
    const from = "news@review.example";
    const composed = { from, to, subject: "The week", text: `Dear ${number}`, html: `<p>Dear ${number}</p>${filler}` };
    await transport.sendMail(how === "raw" ? { envelope: { from, to: [to] }, raw } : composed);
  }
}

async function main() {
  const began = process.hrtime.bigint();
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: 2 * connections }, worker));
  const used = process.cpuUsage(before);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  transport.close();
  const peak_kb = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]);
  console.log(JSON.stringify({ messages, seconds, user: used.user / 1e6, system: used.system / 1e6, peak_kb }));
}

main();
