/** A promise that is made only if somebody asks for it, before or after it is settled. */
export class Settling<T> {
  #promise: Promise<T> | undefined;
  #resolve: ((value: T) => void) | undefined;
  #value: T | undefined;
  #settled = false;

  get promise(): Promise<T> {
    this.#promise ??= this.#settled
      ? Promise.resolve(this.#value as T)
      : new Promise((resolve) => {
          this.#resolve = resolve;
        });
    return this.#promise;
  }

  settle(value: T): void {
    this.#value = value;
    this.#settled = true;
    this.#resolve?.(value);
  }
}
