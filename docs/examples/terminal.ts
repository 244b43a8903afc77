import { writeSync } from "node:fs";
import { spawn } from "brood";
import { close, openpty } from "brood/posix";

const [master, slave] = openpty({ columns: 100, rows: 30 });
// It carries what the terminal shows into a pipe, and complains at the end, which is an error (EIO) of the master.
const screen = spawn("cat", [], { stdin: master, stderr: "ignore" });

const script = "stty size; read -rsp 'Password: ' word; echo; echo got $word";
const child = spawn("bash", ["-c", script], { stdio: [slave, slave, slave], session: true, controllingTerminal: true });
close(slave); // the child has its own: with ours open the terminal would never end

let shown = "";
for await (const chunk of screen.stdout) {
  shown += chunk;
  if (shown.endsWith("Password: ")) writeSync(master, "hunter2\n");
}
close(master);
await child.check();
const [size, , answer] = shown.split("\r\n");
console.log(`window: ${size}`); // window: 30 100
console.log(answer); // got hunter2
