/** A promise that is made only if somebody asks for it, before or after it is settled. */
export class Settling<T> {
  #promise: Promise<T> | undefined;
  #resolve: ((value: T) => void) | undefined;
  #value: { value: T } | undefined;

  get promise(): Promise<T> {
    this.#promise ??=
      this.#value !== undefined
        ? Promise.resolve(this.#value.value)
        : new Promise((resolve) => {
            this.#resolve = resolve;
          });
    return this.#promise;
  }

  settle(value: T): void {
    this.#value = { value };
    this.#resolve?.(value);
  }
}
