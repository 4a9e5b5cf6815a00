/* Runs a fuzz target on files, for compilers without libFuzzer and as a test: replay_<target> FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        long size = file != NULL && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
        uint8_t *data = size >= 0 ? malloc((size_t)size + 1) : NULL; /* its exact size, but for an empty file */
        uint8_t *exact = data != NULL ? realloc(data, size > 0 ? (size_t)size : 1) : NULL;
        if (exact == NULL || fseek(file, 0, SEEK_SET) != 0 || fread(exact, 1, (size_t)size, file) != (size_t)size) {
            perror(argv[i]);
            return 1;
        }
        (void)fclose(file);
        (void)LLVMFuzzerTestOneInput(exact, (size_t)size);
        free(exact);
    }
    printf("%d inputs ok\n", argc - 1);
    return argc < 2;
}
