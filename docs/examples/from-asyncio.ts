import { type ProcessProtocol, subprocessExec } from "brood/protocol";

class DateProtocol implements ProcessProtocol {
  readonly #output: Buffer[] = [];
  readonly done: Promise<string>;
  #resolve: (output: string) => void = () => {};

  constructor() {
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  childDataReceived(fd: number, data: Buffer): void {
    if (fd === 1) this.#output.push(data);
  }

  // The exit may come before the last data: connectionLost is the end.
  connectionLost(): void {
    this.#resolve(Buffer.concat(this.#output).toString().trim());
  }
}

const [transport, protocol] = await subprocessExec(() => new DateProtocol(), "date", ["-u", "-d", "@0", "+%Y"]);
console.log(await protocol.done); // 1970
console.log(transport.getReturnCode()); // 0
