# title: gcc
# what: compile with -O1, link, run: threads, mathematics, exit status
# image: tools
cat > /tmp/main.c << 'C'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/utsname.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double sum;
static void *work(void *first) {
    for (long i = (long)first; i < 4000; i += 4) {
        pthread_mutex_lock(&lock);
        sum += (double)(i * i % 17);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
int main(void) {
    pthread_t threads[4];
    struct utsname name;
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    uname(&name);
    printf("%s %.1f %.17g %La\n", name.machine, sum, pow(2.0, 1.0 / 3.0) * cbrt(5.0), sqrtl(2.0L));
    return 42;
}
C
cd /tmp && gcc -O1 -o main main.c -lm && ./main
