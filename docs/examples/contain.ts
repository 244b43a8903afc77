import { run } from "brood";

const script = "sleep 1000 & setsid sleep 1000 & (nohup setsid sleep 1000 >/dev/null 2>&1 &); echo started";
const { stdout, containment } = await run("sh", ["-c", script], { contain: "auto" });
console.log(stdout.trim()); // started
console.log(containment?.ended.length); // 3
console.log(containment?.survivors.length); // 0
