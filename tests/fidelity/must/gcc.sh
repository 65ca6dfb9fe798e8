# title: gcc
# what: compile, link, run C with threads and mathematics; static; a library; make
cd /tmp
cat > main.c <<'E'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
double twice(double);
static void *work(void *at) { *(double *)at = twice(sqrt(*(double *)at)); return 0; }
int main(void) {
    double values[4] = {1, 2, 3, 4};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, work, &values[i]);
    for (int i = 0; i < 4; i++) { pthread_join(threads[i], 0); printf("%.17g\n", values[i]); }
    return 7;
}
E
echo 'double twice(double x) { return 2 * x; }' > twice.c
printf 'main: main.o libtwice.so\n\tgcc -o $@ $^ -lm -Wl,-rpath,/tmp\nlib%%.so: %%.c\n\tgcc -O2 -shared -fPIC -o $@ $<\n%%.o: %%.c\n\tgcc -O2 -c -o $@ $<\n' > Makefile
make && ./main; echo "$?"
gcc -O2 -static -o static main.c twice.c -lm && ./static | sha256sum
gcc -O3 -S -o - main.c twice.c 2>&1 | head -1
sha256sum main.o
echo 'int main(void) { return x; }' | gcc -x c -; echo "$?"
