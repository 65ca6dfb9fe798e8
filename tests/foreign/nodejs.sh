# title: nodejs
# what: a hot loop for its JIT, crypto, JSON, big numbers, a worker, a child process, HTTP on loopback
# image: node
cat > /tmp/main.js << 'J'
const http = require("http"), crypto = require("crypto"), zlib = require("zlib");
const { Worker } = require("worker_threads"), { execFileSync } = require("child_process");
console.log(process.arch, process.platform, [3, 1, 2].sort(), 0.1 + 0.2, 2n ** 70n);
let sum = 0;
for (let i = 0; i < 300000; i++) sum = (sum + Math.imul(i, i)) | 0;
console.log(sum);
console.log(crypto.createHash("sha256").update("x".repeat(100000)).digest("hex"));
console.log(zlib.gunzipSync(zlib.gzipSync(Buffer.from("zipped"))).toString());
console.log(JSON.stringify(JSON.parse('{"a": [1, null, {"b": "\\u00e9"}]}')));
console.log(execFileSync("sh", ["-c", "echo child"]).toString().trim());
new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true }).on("message", (answer) => {
  console.log("worker", answer);
  const server = http.createServer((request, response) => response.end("served " + request.url));
  server.listen(0, "127.0.0.1", async () => {
    const reply = await fetch(`http://127.0.0.1:${server.address().port}/path`);
    console.log(reply.status, await reply.text());
    server.close(() => process.exit(6));
  });
});
J
node /tmp/main.js
