// Clients of a Kubernetes API that end while their watches bring something. Argument: URL of the API, and milliseconds.
import { configMaps, KubeClient } from '@nsm/kube-client';

const [url = '', forMs] = process.argv.slice(2);
const server = { url, insecure: true };
const end = performance.now() + Number(forMs);

async function lane(): Promise<void> {
  while (performance.now() < end) {
    const kube = new KubeClient({ server, credentials: {}, namespace: 'default', source: 'a test' });
    const stop = new AbortController();
    const watched = { resourceVersion: '1', timeoutSeconds: 10 };
    const watches = Array.from({ length: 3 }, async () => {
      await kube.patch(configMaps, { name: 'a', namespace: 'default' }, { data: { a: 'z'.repeat(500) } });
      for await (const _ of await kube.watch(configMaps, watched, stop.signal))
        if (Math.random() < 0.005) return;
    });
    const others = setInterval(() => {
      kube.patch(configMaps, { name: 'a', namespace: 'default' }, {}).catch(() => undefined);
    }, 20);
    await Promise.race(watches);
    clearInterval(others);
    stop.abort();
    kube.stop();
    await Promise.allSettled(watches);
  }
}

await Promise.all(Array.from({ length: 40 }, lane));
