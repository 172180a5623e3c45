// Entry of the bare processes: node bare-main.js manager|endpoint JSON.
import { type BareEndpointOptions, serveBareEndpoint } from './bare-endpoint.js';
import { type BareManagerOptions, serveBareManager } from './bare-manager.js';

const [role, options = '{}'] = process.argv.slice(2);
process.on('disconnect', () => process.exit(1));
if (role === 'manager') await serveBareManager(JSON.parse(options) as BareManagerOptions);
else await serveBareEndpoint(JSON.parse(options) as BareEndpointOptions);
process.send?.('ready');
