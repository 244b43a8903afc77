/* The environment of a child: the process's own, with others over it. Runs in: parent. */
#include <string.h>

#include "launch.h"
#include "sys.h"

extern char **environ;

static size_t name_length(const char *entry) {
  const char *end = strchr(entry, '=');
  return end == NULL ? strlen(entry) : (size_t)(end - entry);
}

/* Our environment with the table's entries over it. The array is the caller's to free; the strings
 * stay where they are. Returns NULL without memory. */
char **launch_environment(char *const *overrides) {
  size_t n_overrides = 0, n_inherited = 0;
  while (overrides[n_overrides] != NULL) n_overrides++;
  char **inherited = environ;
  while (inherited != NULL && inherited[n_inherited] != NULL) n_inherited++;
  char **result = sys_malloc((n_overrides + n_inherited + 1) * sizeof *result);
  if (result == NULL) return NULL;
  size_t n = 0;
  for (size_t i = 0; i < n_inherited; i++) {
    const char *entry = inherited[i];
    size_t length = name_length(entry);
    int hidden = 0;
    for (size_t k = 0; k < n_overrides && !hidden; k++)
      hidden = overrides[k][0] == entry[0] && strncmp(overrides[k], entry, length) == 0 &&
               (overrides[k][length] == '=' || overrides[k][length] == 0);
    if (!hidden) result[n++] = inherited[i];
  }
  for (size_t k = 0; k < n_overrides; k++)
    if (strchr(overrides[k], '=') != NULL) result[n++] = overrides[k];
  result[n] = NULL;
  return result;
}
