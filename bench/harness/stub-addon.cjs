/**
 * Stands in the place of the native part (BROOD_NATIVE_PATH): a launch makes nothing, and every child that was launched has
 * exited by the next fire(). For what JavaScript alone does.
 */

const FIELDS = 16;
const FIELD = { index: 0, type: 1, code: 2, usage: 5, maxrss: 8, group: 15 };
const nothing = () => 0;

let events;
let tell;
let entries = 0;
let pid = 1000;
const launched = [];
const free = [];

module.exports = {
  configure: nothing,
  isMainThread: () => 1,
  cleanup: nothing,
  ref: nothing,
  unref: nothing,
  start(record, callback) {
    events = record;
    tell = callback;
    return 0;
  },
  launch(_program, _inputs, _flags, _signal, out) {
    out[0] = free.pop() ?? entries++;
    out[1] = ++pid;
    launched.push(out[0]);
    return 0;
  },
  /** Tells that all have exited with code 0. */
  fire() {
    let count = 0;
    while (launched.length > 0) {
      const base = FIELDS * count++;
      const index = launched.pop();
      events.fill(0, base, base + FIELDS);
      events[base + FIELD.index] = index;
      events[base + FIELD.type] = 1;
      events[base + FIELD.code] = 1;
      events[base + FIELD.usage] = 1;
      events[base + FIELD.maxrss] = -1;
      events[base + FIELD.group] = 3;
      free.push(index);
    }
    tell(count);
  },
};
