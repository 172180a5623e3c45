// What the suites take from the environment; scripts/test-kubernetes.mjs tells about it.

/** The product's image, which the nodes have or can pull. */
export const image: string = process.env.NSM_IMAGE || 'localhost/nsm:dev';

/** Path of Node.js in it, which is not in its PATH. */
export const imageNode = '/usr/lib/nsm/bin/node';

/** An image with a shell, `ip`, `ping`, `wget` and `httpd`, for the pods of applications. */
export const applicationImage: string = process.env.NSM_TEST_IMAGE || 'busybox:1.37';

/** Namespace of the product, in deploy/kubernetes/nsm.yaml too. The suites make it, and take it away. */
export const systemNamespace = 'nsm-system';

/** A file of the API server, at least with the metadata of what the product's service accounts ask for; undefined where there is none. */
export const auditLog: string | undefined = process.env.NSM_TEST_AUDIT_LOG || undefined;

/** A program with power over the cluster's machines; undefined where there is none. */
export const powerScript: string | undefined = process.env.NSM_CLUSTER_POWER || undefined;

/** The folder of an earlier version's chart, and that version's image, from which the chart is upgraded. Without them today's are. */
export const earlierChart: string | undefined = process.env.NSM_TEST_EARLIER_CHART || undefined;
export const earlierImage: string = process.env.NSM_TEST_EARLIER_IMAGE || image;
