# title: nodejs
# what: a script with promises, an HTTP server and client, crypto, zlib, a worker, a child process
cat > /tmp/main.js <<'E'
const http = require("http"), crypto = require("crypto"), zlib = require("zlib"), os = require("os");
const { Worker } = require("worker_threads"), { execFileSync } = require("child_process");
console.log(process.arch, process.platform, [3, 1, 2].sort(), 0.1 + 0.2, 2n ** 70n);
console.log(crypto.createHash("sha256").update("x".repeat(100000)).digest("hex"));
console.log(zlib.gunzipSync(zlib.gzipSync(Buffer.from("zipped"))).toString(), JSON.stringify({ a: [1, null] }));
console.log(execFileSync("sh", ["-c", "echo child; exit 0"]).toString().trim());
let sum = 0; for (let i = 0; i < 200000; i++) sum = (sum + Math.imul(i, i)) | 0; console.log(sum);
console.log("Größe".normalize("NFD").length, new Intl.NumberFormat("de").format(1234567.5), /(?<y>\d{4})/.exec("in 2026").groups.y);
new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true }).on("message", (answer) => {
  console.log("worker", answer);
  const server = http.createServer((request, response) => response.end("served " + request.url)).listen(0, "127.0.0.1", async () => {
    const reply = await fetch(`http://127.0.0.1:${server.address().port}/path`);
    console.log(reply.status, await reply.text());
    server.close(); setTimeout(() => process.exit(6), 50);
  });
});
E
node /tmp/main.js
