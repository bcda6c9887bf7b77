/* Keeps UCX going while MPI_Finalize waits in the launcher's barrier.
 *
 * MPICH before 4.2 (pmodels/mpich, pull request 6596) ends its connections and then waits in a
 * barrier of the launcher, where it answers nobody. UCX over TCP ends a connection only when the
 * other side has answered, so whoever comes later waits for ever: on Debian 12 about every second
 * job with three ranks. Preloaded into MPI programs, this answers from a thread of its own.
 *
 * UCX is used single-threaded. From the first disconnect on, every call that MPICH still makes
 * takes one lock, and so does the thread.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define WORKERS 64 /* MPICH's largest number of virtual interfaces (MPIDI_CH4_MAX_VCIS) */

static struct {
    int32_t (*create)(void *context, const void *parameters, void **worker);
    unsigned (*progress)(void *worker);
    void *(*disconnect)(void *endpoint);
    void (*release)(void *request);
    void (*free)(void *request);
    void (*destroy)(void *worker);
} real;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static void *workers[WORKERS];
static int count;
static atomic_bool closing, stopped;

static void resolve(void)
{
    void *ucp = dlopen("libucp.so.0", RTLD_LAZY | RTLD_NOLOAD);

    real.create = dlsym(ucp, "ucp_worker_create");
    real.progress = dlsym(ucp, "ucp_worker_progress");
    real.disconnect = dlsym(ucp, "ucp_disconnect_nb");
    real.release = dlsym(ucp, "ucp_request_release");
    real.free = dlsym(ucp, "ucp_request_free");
    real.destroy = dlsym(ucp, "ucp_worker_destroy");
}

static void *keep_going(void *unused)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    while (!stopped) {
        pthread_mutex_lock(&lock);
        for (int i = 0; i < count; i++)
            real.progress(workers[i]);
        pthread_mutex_unlock(&lock);
        nanosleep(&pause, NULL);
    }
    return unused;
}

int32_t ucp_worker_create(void *context, const void *parameters, void **worker)
{
    if (real.create == NULL)
        resolve();
    int32_t status = real.create(context, parameters, worker);
    if (status == 0 && count < WORKERS)
        workers[count++] = *worker;
    return status;
}

unsigned ucp_worker_progress(void *worker)
{
    if (!atomic_load_explicit(&closing, memory_order_relaxed))
        return real.progress(worker);
    pthread_mutex_lock(&lock);
    unsigned done = real.progress(worker);
    pthread_mutex_unlock(&lock);
    return done;
}

void *ucp_disconnect_nb(void *endpoint)
{
    pthread_mutex_lock(&lock);
    void *request = real.disconnect(endpoint);
    if (!atomic_exchange(&closing, 1) && pthread_create(&thread, NULL, keep_going, NULL) != 0)
        closing = 0;
    pthread_mutex_unlock(&lock);
    return request;
}

void ucp_request_release(void *request)
{
    pthread_mutex_lock(&lock);
    real.release(request);
    pthread_mutex_unlock(&lock);
}

void ucp_request_free(void *request)
{
    pthread_mutex_lock(&lock);
    real.free(request);
    pthread_mutex_unlock(&lock);
}

void ucp_worker_destroy(void *worker)
{
    if (closing && !atomic_exchange(&stopped, 1))
        pthread_join(thread, NULL);
    real.destroy(worker);
}
