/**
 * A set of objects that come and go, as a list through the objects themselves. A Set of which one is added and one deleted,
 * again and again, makes its table anew each time.
 */

/** What is in at most one such set. */
export interface Linked {
  /** The one that was added before it. Only the set's. */
  older: Linked | undefined;
  /** The one that was added after it. Only the set's. */
  newer: Linked | undefined;
}

export class LinkedSet<Member extends Linked> {
  #newest: Linked | undefined;

  /** Adds one that is in no such set. */
  add(member: Member): void {
    const before = this.#newest;
    member.older = before;
    if (before !== undefined) before.newer = member;
    this.#newest = member;
  }

  /** Takes one out, if it is in. */
  delete(member: Member): void {
    const { older, newer } = member;
    if (newer === undefined && member !== this.#newest) return;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older !== undefined) older.newer = newer;
    member.older = member.newer = undefined;
  }

  /** Gives those that are in it now, in the order in which they were added. */
  list(): Member[] {
    const members: Member[] = [];
    for (let member = this.#newest; member !== undefined; member = member.older) members.push(member as Member);
    return members.reverse();
  }
}
