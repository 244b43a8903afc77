/*
 * Prints its directory and the names in its root. Linked statically: it runs where there is no loader, in
 * a root directory that holds nothing but itself.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  char path[4096];
  DIR *root = opendir("/");
  if (root == NULL || getcwd(path, sizeof path) == NULL) return 1;
  printf("%s\n", path);
  for (struct dirent *entry; (entry = readdir(root)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) printf("%s\n", entry->d_name);
  return 0;
}
