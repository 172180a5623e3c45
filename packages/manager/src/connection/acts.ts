// What is done to a connection: one line for each step and each service of decide.ts. The files that these lines call are the only
// ones that write the table, beside the record of a connection in the making.
import { NsmError } from '@nsm/api';
import type { Connection } from '../state/connection.js';
import { closeAll, end, remove, tellAgain } from './closing.js';
import { compare, mend, noteContestedThere, saysNothing, verify } from './comparing.js';
import type { ActsComponents, Work } from './components.js';
import type { Step } from './decide.js';
import { type Facts, forgetHalf, noteLoss } from './facts.js';
import type { ConnectOrder, Order } from './orders.js';
import { awaitPackets, detach, evade, heal, move, reconnectNow } from './reconnecting.js';
import { promote, replace, replacedByAnother } from './replacement.js';
import type { Service } from './serve.js';
import { timing } from './timing.js';

/** The connections of a key, and the facts of the one that an order is about. */
export interface Present {
  /** The newest that is meant to be connected, else the newest. */
  readonly connection?: Connection;
  /** All, the oldest first. */
  readonly all: readonly Connection[];
  readonly facts: Facts;
}

export class ConnectionActs {
  readonly #components: ActsComponents;

  constructor(components: ActsComponents) {
    this.#components = components;
  }

  /** Takes a step, and removes the facts that the step deals with. @throws what keeps the step from being taken: it is tried again. */
  async take(
    step: Exclude<Step, { do: 'rest' }>,
    connection: Connection,
    facts: Facts,
    work: Work,
  ): Promise<void> {
    const components = this.#components;
    const { course } = work;
    switch (step.do) {
      case 'remove':
        return await remove(components, connection, course);
      case 'tell':
        return await tellAgain(components, connection, course);
      case 'end':
        delete facts.lost;
        return void end(components, connection, step.reason, step.tell);
      case 'detach':
        forgetHalf(facts);
        return void (await detach(components, connection, step.reason, course));
      case 'reconnect':
        forgetHalf(facts);
        return await heal(components, connection, work);
      case 'verify':
        return await verify(components, connection, facts, course);
      case 'promote':
        return void (await promote(components, connection, course));
      case 'evade':
        delete facts.pathFailure;
        return await evade(components, connection, step.pathFailure, work);
      case 'note':
        delete facts.contestedThere;
        return noteContestedThere(components, connection, step.contestedThere);
      case 'await-packets':
        delete facts.pathFailure;
        return awaitPackets(components, connection, step.reason);
      case 'compare':
        return await mend(components, connection, facts);
    }
  }

  async serve(
    service: Service,
    order: Order,
    { connection, all, facts }: Present,
    work: Work,
  ): Promise<Connection | undefined> {
    const components = this.#components;
    if (service === 'done') return connection;
    if (order.kind === 'close') return await closeAll(components, all, order, work.course);
    if (order.kind === 'move') {
      if (service === 'lose') noteLoss(facts, 'move', order.reason);
      else if (connection)
        await move(components, connection, { ...order, lingerMs: timing.lingerMs, tell: 'peer' }, work);
      return connection;
    }
    if (service === 'make' || !connection) return await order.make(work.signal);
    switch (service) {
      case 'confirm':
        return await this.#confirm(connection, order, facts, work);
      case 'reconnect':
        return await reconnectNow(components, connection, order, facts, work);
      case 'replace':
        return await replace(components, connection, order, work);
      case 'close-and-make':
        return await this.#makeAnew(connection, order, work);
    }
    return connection;
  }

  /** A repeated request gets the connection that its client has: differences are mended, or the connection is made anew. */
  async #confirm(connection: Connection, order: ConnectOrder, facts: Facts, work: Work): Promise<Connection> {
    const components = this.#components;
    try {
      return await work.course.step('compare it with the kernel', () =>
        compare(components, connection, facts, 0),
      );
    } catch (thrown) {
      const error = NsmError.from(thrown);
      if (connection.role === 'ENDPOINT') return await this.#makeAnew(connection, order, work);
      if (saysNothing(error)) throw error;
      noteLoss(facts, 'interface', error.message);
      return await reconnectNow(components, connection, order, facts, work);
    }
  }

  async #makeAnew(
    connection: Connection,
    order: ConnectOrder,
    { signal, course }: Work,
  ): Promise<Connection> {
    const components = this.#components;
    await remove(components, end(components, connection, replacedByAnother, 'nobody'), course);
    return await order.make(signal);
  }
}
