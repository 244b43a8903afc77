/* Our ends of pipes. See convert.h. */
#include "convert.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "exports.h"
#include "sys.h"

/* The entry that the first argument names, or NULL. */
static struct watch *pipe_at(napi_env env, struct call *call) {
  return monitor_watch(&call->environment->monitor, (uint32_t)argument(env, call, 0), WATCH_PIPE);
}

napi_value export_arm(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_arm(&call.environment->monitor, (uint32_t)argument(env, &call, 0)));
}

napi_value export_remove(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct monitor *monitor = &call.environment->monitor;
  int result = monitor_remove(monitor, (uint32_t)argument(env, &call, 0));
  return integer(env, result);
}

/* The part [offset, offset + length) of the bytes that the arguments 1 to 3 of a call name, of `size` bytes. NULL: there is none. */
static uint8_t *part(napi_env env, struct call *call, size_t *size) {
  size_t length;
  int64_t offset = -1, wanted = -1; /* a buffer may be larger than 4 GiB */
  uint8_t *bytes = memory(env, call->arguments[1], &length);
  napi_get_value_int64(env, call->arguments[2], &offset);
  napi_get_value_int64(env, call->arguments[3], &wanted);
  if (bytes == NULL || offset < 0 || (uint64_t)offset > length || wanted < 0 ||
      (uint64_t)wanted > length - (uint64_t)offset)
    return NULL;
  *size = (size_t)wanted;
  return bytes + offset;
}

/* So many bytes have come or gone. */
static napi_value moved(napi_env env, struct watch *watch, size_t bytes) {
  if (bytes > 0) watch->moved_at = sys_clock_ms();
  return number(env, (double)bytes);
}

/* read(index, bytes, offset, length, much): bytes read, 0 at the end. After a read(2) that brought at least `much` there may be
 * more already: it reads on until there is no room. What ends that (no more for now, the end, an error) the next call tells. */
napi_value export_read(napi_env env, napi_callback_info info) {
  struct call call;
  size_t size = 0, done = 0;
  ssize_t n;
  begin(env, info, &call);
  uint8_t *bytes = part(env, &call, &size);
  struct watch *watch = pipe_at(env, &call);
  int32_t much = argument(env, &call, 4);
  if (bytes == NULL || watch == NULL) return integer(env, -EBADF);
  if (watch->failed != 0) {
    int error = watch->failed;
    watch->failed = 0;
    return integer(env, -error);
  }
  do {
    n = sys_read(watch->fd, bytes + done, size - done);
    if (n > 0) done += (size_t)n;
  } while (n < 0 ? errno == EINTR : n >= much && n > 0 && done < size);
  if (n < 0 && done == 0) return integer(env, -errno);
  if (n < 0 && errno != EAGAIN) watch->failed = errno;
  return moved(env, watch, done);
}

/* write(index, bytes, offset, length): bytes written. */
napi_value export_write(napi_env env, napi_callback_info info) {
  struct call call;
  size_t size = 0;
  ssize_t n;
  begin(env, info, &call);
  const uint8_t *bytes = part(env, &call, &size);
  struct watch *watch = pipe_at(env, &call);
  if (bytes == NULL || watch == NULL) return integer(env, -EBADF);
  do n = sys_write(watch->fd, bytes, size);
  while (n < 0 && errno == EINTR);
  return n < 0 ? integer(env, -errno) : moved(env, watch, (size_t)n);
}

/* Enough for a pipe of 64 KiB; more come with the next call. */
#define PARTS 64

/* writev(index, chunks, first, offset): bytes written of those chunks, from the offset in the first on. */
napi_value export_writev(napi_env env, napi_callback_info info) {
  struct call call;
  struct iovec parts[PARTS];
  uint32_t count = 0, next = 0;
  int64_t offset = -1;
  int used = 0;
  begin(env, info, &call);
  struct watch *watch = pipe_at(env, &call);
  napi_get_array_length(env, call.arguments[1], &count);
  napi_get_value_uint32(env, call.arguments[2], &next);
  napi_get_value_int64(env, call.arguments[3], &offset);
  for (; next < count && used < PARTS; next++, offset = 0) {
    napi_value chunk;
    size_t length;
    if (napi_get_element(env, call.arguments[1], next, &chunk) != napi_ok) return integer(env, -EBADF);
    uint8_t *bytes = memory(env, chunk, &length);
    if (offset < 0 || (uint64_t)offset > length) return integer(env, -EBADF);
    if (length > 0) parts[used++] = (struct iovec){bytes + offset, length - (size_t)offset};
  }
  if (watch == NULL || used == 0) return integer(env, -EBADF);
  ssize_t n;
  do n = sys_writev(watch->fd, parts, used);
  while (n < 0 && errno == EINTR);
  return n < 0 ? integer(env, -errno) : moved(env, watch, (size_t)n);
}

/* movedAt(index): milliseconds of the monotonic clock at which bytes last came or went, 0: none did. */
napi_value export_movedAt(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = pipe_at(env, &call);
  if (watch == NULL) return integer(env, 0);
  return number(env, watch->capture == NULL ? watch->moved_at : capture_moved_at(watch->capture, watch->fd));
}

/* shutdownWrite(index): the other side of a socket reads the end. */
napi_value export_shutdownWrite(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = pipe_at(env, &call);
  if (watch == NULL) return integer(env, -EBADF);
  return integer(env, shutdown(watch->fd, SHUT_WR) == 0 ? 0 : -errno);
}

/* Never less than it takes already. The kernel gives twice as much, for what it keeps beside the bytes. */
static int grow_socket(int fd, int size) {
  int holds;
  socklen_t length = sizeof holds;
  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &holds, &length) != 0) return -1;
  if (holds / 2 >= size) return holds / 2;
  return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0 ? size : -1;
}

/* grow(index, size): asks for a pipe of that many bytes, or for a socket that takes as many from us before the other side has
 * read; gives how many it holds then, at most: of a socket the system's limit may be less. */
napi_value export_grow(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = pipe_at(env, &call);
  if (watch == NULL) return integer(env, -EBADF);
  int size = argument(env, &call, 1);
  int holds = sys_fcntl(watch->fd, F_SETPIPE_SZ, size);
  if (holds < 0 && errno == EBADF) holds = grow_socket(watch->fd, size);
  return integer(env, holds < 0 ? -errno : holds);
}

/* available(index): how many bytes a read would give now, as far as the kernel can tell. */
napi_value export_available(napi_env env, napi_callback_info info) {
  struct call call;
  int bytes;
  begin(env, info, &call);
  struct watch *watch = pipe_at(env, &call);
  if (watch == NULL) return integer(env, -EBADF);
  return integer(env, ioctl(watch->fd, FIONREAD, &bytes) == 0 ? bytes : -errno);
}

/* unaligned(bytes): how many bytes after the last multiple of 64 they start, the size of a cache line. */
napi_value export_unaligned(napi_env env, napi_callback_info info) {
  struct call call;
  size_t length;
  begin(env, info, &call);
  return integer(env, (int32_t)((uintptr_t)memory(env, call.arguments[0], &length) % 64));
}

/* keepFreed(bytes): has malloc(3) keep that much of what is freed, in place of giving it back to the kernel and faulting it in
 * again. As glibc does by itself when a block is freed that was mapped for its size alone (M_MMAP_THRESHOLD of mallopt(3)): of one
 * of half the size, no page of which is ever there. Nothing happens where somebody has set these sizes, or malloc is another's. */
napi_value export_keepFreed(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  void *volatile block = malloc((size_t)argument(env, &call, 0) / 2);
  free(block);
  return integer(env, 0);
}

/* farInode(index): the inode of a pipe's or socket's other end. */
napi_value export_farInode(napi_env env, napi_callback_info info) {
  struct call call;
  struct stat own;
  begin(env, info, &call);
  struct watch *watch = pipe_at(env, &call);
  if (watch == NULL) return integer(env, -EBADF);
  if (watch->far_inode != 0) return number(env, (double)watch->far_inode);
  if (fstat(watch->fd, &own) != 0) return integer(env, -errno);
  return number(env, (double)own.st_ino);
}
