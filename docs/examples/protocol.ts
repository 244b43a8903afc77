import { type ProcessProtocol, type ProcessTransport, spawnProcess } from "brood/protocol";

class Sorted implements ProcessProtocol {
  #output = "";

  connectionMade(transport: ProcessTransport): void {
    transport.writeSequence(["pear\n", "apple\n"]);
    transport.closeStdin();
  }

  childDataReceived(fd: number, data: Buffer): void {
    if (fd === 1) this.#output += data;
  }

  processEnded(): void {
    console.log(this.#output.replace("\n", ", ").trim()); // apple, pear
  }
}

await spawnProcess(new Sorted(), "sort").wait();
