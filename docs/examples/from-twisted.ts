import { type ProcessProtocol, type ProcessTransport, spawnProcess } from "brood/protocol";

class WordCount implements ProcessProtocol {
  transport: ProcessTransport | undefined;

  connectionMade(transport: ProcessTransport): void {
    this.transport = transport;
    transport.registerProducer(["one two\n", "three\n"]); // an iterable; its end closes stdin
  }

  outReceived(data: Buffer): void {
    console.log(Number(data)); // 3
  }

  processEnded(): void {
    try {
      this.transport?.signalProcess("TERM");
    } catch (error) {
      console.log((error as NodeJS.ErrnoException).code); // ESRCH
    }
  }
}

// The arguments are without argv[0]; fd 2 is our own.
spawnProcess(new WordCount(), "wc", ["-w"], { childFDs: { 0: "w", 1: "r", 2: 2 } });
