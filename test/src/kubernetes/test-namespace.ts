// A Kubernetes namespace of a suite, and what suites do in it. Everything in it goes with it.
import { randomBytes } from 'node:crypto';
import { type KubectlOptions, kubectl } from './kubectl.js';
import { Pinging } from './pinging.js';

/** Of an object, as far as suites look. */
export interface KubernetesObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

/** Names of suites' namespaces begin with it. */
export const namespacePrefix = 'nsm-test-';

export class TestNamespace implements AsyncDisposable {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Makes a namespace whose name has `topic` in it. Pods in it may have every privilege unless `labels` say otherwise. */
  static async create(topic: string, labels: Readonly<Record<string, string>> = {}): Promise<TestNamespace> {
    const namespace = new TestNamespace(`${namespacePrefix}${topic}-${randomBytes(3).toString('hex')}`);
    const defaults = { 'pod-security.kubernetes.io/enforce': 'privileged' };
    const metadata = { name: namespace.name, labels: { ...defaults, ...labels } };
    await kubectl(['apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata }),
    });
    return namespace;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await kubectl(['delete', 'namespace', this.name, '--ignore-not-found', '--wait=false']);
  }

  /** Runs `kubectl --namespace …`. */
  kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
    return kubectl(['--namespace', this.name, ...args], options);
  }

  /** Creates or changes objects: YAML, or values. */
  async apply(...objects: readonly (string | object)[]): Promise<void> {
    const input = objects.map((it) => (typeof it === 'string' ? it : JSON.stringify(it))).join('\n---\n');
    await this.kubectl(['apply', '-f', '-'], { input });
  }

  /** Deletes `pod/NAME` and the like, and waits until it is gone. */
  async remove(resource: string, ...flags: readonly string[]): Promise<void> {
    await this.kubectl(['delete', resource, '--timeout=60s', ...flags]);
  }

  async get<T = KubernetesObject>(resource: string): Promise<T> {
    return JSON.parse(await this.kubectl(['get', resource, '-o', 'json'])) as T;
  }

  /** Objects of a kind, such as `pods`, with the labels of a selector such as `app=web`. */
  async list<T = KubernetesObject>(kind: string, selector = ''): Promise<T[]> {
    const text = await this.kubectl(['get', kind, '-o', 'json', '--selector', selector]);
    return (JSON.parse(text) as { readonly items: T[] }).items;
  }

  /** Waits for a condition as `kubectl wait --for` has it: `condition=Ready`, `delete`, `jsonpath={…}=VALUE`. */
  async until(resource: string, condition: string, timeoutSeconds = 60): Promise<void> {
    const limits = [`--timeout=${timeoutSeconds}s`];
    await this.kubectl(['wait', resource, `--for=${condition}`, ...limits], {
      timeoutMs: (timeoutSeconds + 10) * 1000,
    });
  }

  /** Waits until all pods of a workload, `deployment/NAME` or `daemonset/NAME`, are of its newest template and ready. */
  async rolledOut(workload: string, timeoutSeconds = 120): Promise<void> {
    await this.kubectl(['rollout', 'status', workload, `--timeout=${timeoutSeconds}s`], {
      timeoutMs: (timeoutSeconds + 10) * 1000,
    });
  }

  /** What a command in a pod prints. `pod` may also be `deployment/NAME`. Rejects when it fails. */
  exec(pod: string, command: readonly string[], container?: string): Promise<string> {
    const where = container === undefined ? [] : ['--container', container];
    return this.kubectl(['exec', pod, ...where, '--', ...command]);
  }

  /** Rejects unless one of `count` pings from a pod is answered. */
  async ping(pod: string, address: string, count = 3): Promise<void> {
    await this.exec(pod, ['ping', '-c', `${count}`, '-W', '1', address]);
  }

  /** Pings from a pod until it is told to stop; needs no API server meanwhile. */
  startPinging(pod: string, address: string): Promise<Pinging> {
    return Pinging.start((command) => this.exec(pod, command), address);
  }

  /** Addresses of an interface of a pod, such as `10.60.0.1/31`; none when the interface is not there. */
  async addresses(pod: string, interfaceName: string): Promise<string[]> {
    const text = await this.exec(pod, ['ip', '-o', 'addr', 'show']);
    return text
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, name, family]) => name === interfaceName && family?.startsWith('inet'))
      .map(([, , , address]) => address ?? '');
  }
}
