/*
 * What a parent does with a child program before the clone: it believes nothing of the buffer, which came from elsewhere.
 * Freestanding, as child_program.h. Runs in: parent; and in the host, on what its socket brought.
 */
#ifndef BROOD_PROGRAM_CHECK_H
#define BROOD_PROGRAM_CHECK_H

#include "child_program.h"


static inline int program_range(const struct program_header *p, uint64_t offset, uint64_t size,
                                uint32_t align) {
  return offset >= sizeof *p && offset % align == 0 && offset <= p->size &&
         size <= p->size - offset;
}

/* A table: 64-bit offsets of strings, ended by a 0. Returns its length without the end, or -1. */
static inline long program_table(const struct program_header *p, uint64_t offset) {
  if (!program_range(p, offset, 8, 8)) return -1;
  const uint64_t *cells = (const uint64_t *)((const char *)p + offset);
  uint64_t room = (p->size - offset) / 8;
  for (uint64_t i = 0; i < room; i++) {
    if (cells[i] == 0) return (long)i;
    if (!program_range(p, cells[i], 1, 1)) return -1;
  }
  return -1;
}

struct program_span {
  uint64_t offset;
  uint64_t size;
};

/* Whether no two of the spans share a byte. An empty one shares none. */
static inline int program_disjoint(const struct program_span *spans, int n) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i; k++)
      if (spans[i].size != 0 && spans[k].size != 0 &&
          spans[i].offset < spans[k].offset + spans[k].size &&
          spans[k].offset < spans[i].offset + spans[i].size)
        return 0;
  return 1;
}

static inline int program_source_valid(const struct program_header *p, int32_t source) {
  return source >= 0 || (uint32_t)~source < p->n_slots;
}

/*
 * Checks a whole buffer. Runs in: parent. Owns nothing.
 * Returns 0, or -1 with *bad set to the index of the operation at fault (-1: the header).
 */
static inline int program_validate(const void *buffer, size_t length, int *bad) {
  static const struct {
    uint8_t kind;
    uint8_t unit;
    uint32_t min;
    uint32_t max;
  } schema[PROGRAM_CODES] = {
#define X(name, kind, unit, min, max) {PROGRAM_DATA_##kind, unit, min, max},
      PROGRAM_OPS(X)
#undef X
  };
  const struct program_header *p = buffer;
  *bad = -1;
  if (length < sizeof *p || (uintptr_t)buffer % 8 != 0) return -1;
  if (p->magic != PROGRAM_MAGIC || p->size != length) return -1;
  if (((const char *)buffer)[length - 1] != 0) return -1;
  if (p->n_ops == 0 ||
      !program_range(p, p->ops, (uint64_t)p->n_ops * sizeof(struct program_op), 8))
    return -1;
  if (p->n_slots != 0 && !program_range(p, p->slots, (uint64_t)p->n_slots * 4, 4)) return -1;
  if (p->n_inputs > p->n_slots) return -1;
  if (p->n_targets != 0 && !program_range(p, p->targets, (uint64_t)p->n_targets * 4, 4)) return -1;

  const struct program_op *ops = (const struct program_op *)((const char *)buffer + p->ops);
  /* What relocation and the child write to must not lie over each other, or over what was checked. */
  enum { OPS, SLOTS, TARGETS, MAP, CANDIDATES, ARGV, ENVP, SPANS };
  struct program_span spans[SPANS] = {
      [OPS] = {p->ops, (uint64_t)p->n_ops * sizeof *ops},
      [SLOTS] = {p->slots, (uint64_t)p->n_slots * 4},
      [TARGETS] = {p->targets, (uint64_t)p->n_targets * 4},
  };
  for (uint32_t i = 0; i < p->n_ops; i++) {
    const struct program_op *op = &ops[i];
    *bad = (int)i;
    if (op->code >= PROGRAM_CODES) return -1;
    if ((op->code == PROGRAM_EXEC) != (i == p->n_ops - 1)) return -1;
    uint8_t kind = schema[op->code].kind;
    if (op->size < schema[op->code].min || op->size > schema[op->code].max) return -1;
    if (op->size % schema[op->code].unit != 0) return -1;
    if (kind != PROGRAM_DATA_NONE && op->size != 0 &&
        !program_range(p, op->data, op->size,
                       schema[op->code].unit > 8 ? 8 : schema[op->code].unit))
      return -1;
    const char *data = (const char *)buffer + op->data;
    if (kind == PROGRAM_DATA_STRING && data[op->size - 1] != 0) return -1;
    switch (op->code) {
      /* The input slots are the launcher's: it closes what it finds there. */
      case PROGRAM_OPEN:
        if (op->a < 0 || (uint32_t)op->a >= p->n_slots || (uint32_t)op->a < p->n_inputs) return -1;
        break;
      case PROGRAM_PARK:
        if (op->a < 0 || (uint32_t)op->a >= p->n_slots || (uint32_t)op->a < p->n_inputs) return -1;
        if (!program_source_valid(p, op->b)) return -1;
        break;
      case PROGRAM_FCHDIR:
      case PROGRAM_SETNS:
        if (!program_source_valid(p, op->a)) return -1;
        break;
      case PROGRAM_BLOCKING:
      case PROGRAM_CLOSE:
      case PROGRAM_TIOCSCTTY:
      case PROGRAM_TIOCSPGRP:
        if (op->a < 0) return -1;
        break;
      case PROGRAM_FDMAP: {
        const struct program_fd *map = (const struct program_fd *)data;
        for (uint32_t k = 0; k < op->size / sizeof *map; k++)
          if (map[k].target < 0 || !program_source_valid(p, map[k].source)) return -1;
        if (spans[MAP].size != 0) return -1; /* one map, in which everything can be said */
        spans[MAP] = (struct program_span){op->data, op->size};
        break;
      }
      case PROGRAM_CLOSE_RANGE: {
        const int32_t *kept = (const int32_t *)data;
        if (op->a < 0) return -1;
        if (op->flags & PROGRAM_CLOSE_RANGE_UNSHARE && (i != 0 || op->size != 0)) return -1;
        for (uint32_t k = 0; k < op->size / 4; k++)
          if (kept[k] < op->a || (k > 0 && kept[k] <= kept[k - 1])) return -1;
        break;
      }
      case PROGRAM_EXEC: {
        long candidates = program_table(p, op->data);
        long argv = op->b > 0 ? program_table(p, (uint32_t)op->b) : -1;
        long envp = op->c > 0 ? program_table(p, (uint32_t)op->c) : -1;
        if (candidates < 1 || argv < 0 || envp < 0) return -1;
        if ((op->flags & PROGRAM_EXEC_BY_FD) && p->n_slots == p->n_inputs) return -1;
        spans[CANDIDATES] = (struct program_span){op->data, (uint64_t)(candidates + 1) * 8};
        spans[ARGV] = (struct program_span){(uint32_t)op->b, (uint64_t)(argv + 1) * 8};
        spans[ENVP] = (struct program_span){(uint32_t)op->c, (uint64_t)(envp + 1) * 8};
        if (!program_disjoint(spans, SPANS)) return -1;
        break;
      }
    }
  }
  *bad = -1;
  return 0;
}

static inline void program_relocate_table(char *buffer, uint64_t offset) {
  for (uint64_t *cell = (uint64_t *)(buffer + offset); *cell != 0; cell++)
    *cell = (uint64_t)(uintptr_t)(buffer + *cell);
}

static inline struct program_op *program_exec_op(void *buffer) {
  struct program_header *p = buffer;
  return (struct program_op *)((char *)buffer + p->ops) + (p->n_ops - 1);
}

/* Whether its first step gives the child a table of fds of its own, so that none need be copied before. */
static inline int program_shares_fds(const void *buffer) {
  const struct program_header *p = buffer;
  const struct program_op *first = (const struct program_op *)((const char *)buffer + p->ops);
  return first->code == PROGRAM_CLOSE_RANGE && first->flags & PROGRAM_CLOSE_RANGE_UNSHARE;
}

static inline int32_t *program_slots(void *buffer) {
  struct program_header *p = buffer;
  return (int32_t *)((char *)buffer + p->slots);
}

/* Makes the tables of a validated buffer into arrays of pointers, once. Runs in: parent. */
static inline void program_relocate(void *buffer) {
  struct program_op *exec = program_exec_op(buffer);
  program_relocate_table(buffer, exec->data);
  program_relocate_table(buffer, (uint32_t)exec->b);
  program_relocate_table(buffer, (uint32_t)exec->c);
}

#endif
