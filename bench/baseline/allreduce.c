// The library's own MPI_Allreduce of floats, in one call and in buckets: milliseconds of each
// round, from rank 0.
//   allreduce LIBRARY BYTES BUCKET ROUNDS
// No headers: constants are those of Open MPI and MPICH, as in native/distributed/mpi_posix.cpp.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef void* handle;
static void* library;

static void* find(const char* name) {
  void* found = dlsym(library, name);
  if (!found) {
    fprintf(stderr, "no %s\n", name);
    exit(1);
  }
  return found;
}

static double milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec * 1e-6;
}

int main(int count, char** arguments) {
  if (count != 5) return 2;
  library = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  size_t bytes = strtoull(arguments[2], NULL, 10), bucket = strtoull(arguments[3], NULL, 10);
  int rounds = atoi(arguments[4]), rank = 0;
  int open = dlsym(library, "ompi_mpi_comm_world") != NULL;
  handle world = open ? find("ompi_mpi_comm_world") : (handle)0x44000000;
  handle floats = open ? find("ompi_mpi_float") : (handle)0x4c00040a;
  handle sum = open ? find("ompi_mpi_op_sum") : (handle)0x58000003;
  void* in_place = open ? (void*)1 : (void*)-1;
  ((int (*)(int*, char***))find("MPI_Init"))(NULL, NULL);
  ((int (*)(handle, int*))find("MPI_Comm_rank"))(world, &rank);
  int (*reduce)(const void*, void*, int, handle, handle, handle) =
      (int (*)(const void*, void*, int, handle, handle, handle))find("MPI_Allreduce");
  int (*barrier)(handle) = (int (*)(handle))find("MPI_Barrier");
  float* data = malloc(bytes);
  for (size_t i = 0; i < bytes / 4; i++) data[i] = 1;
  for (int round = 0; round <= rounds; round++) {
    barrier(world);
    double start = milliseconds();
    for (size_t at = 0; at < bytes; at += bucket) {
      size_t part = bytes - at < bucket ? bytes - at : bucket;
      if (reduce(in_place, (char*)data + at, (int)(part / 4), floats, sum, world) != 0) return 1;
    }
    if (rank == 0 && round > 0) printf("%.3f\n", milliseconds() - start);  // the first one warms up
  }
  return ((int (*)(void))find("MPI_Finalize"))();
}
