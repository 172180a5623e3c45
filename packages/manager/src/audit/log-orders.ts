// Log lines for ends of orders that no other line tells of: a refused request, and a successful heal.
import type { LogThrottle } from '@nsm/api';
import type { Courses } from '@nsm/observe';
import type { Logger } from 'pino';

export interface LogOrdersComponents {
  readonly courses: Courses;
  readonly logThrottle: LogThrottle;
  readonly logger: Pick<Logger, 'info' | 'debug'>;
}

export function logOrders({ courses, logThrottle, logger }: LogOrdersComponents): void {
  courses.onEnd((course) => {
    const { kind, error, subject, traceId: trace } = course;
    const ms = Math.round(course.durationMs * 10) / 10;
    if (kind === 'connect' && error) {
      // A client that is refused asks again and again.
      const news = logThrottle.isNews(`${subject.by} ${subject.service}`, error.message);
      logger[news ? 'info' : 'debug']({ ...subject, trace, ms, err: error }, 'request refused');
    } else if (kind === 'heal' && !error) logger.info({ ...subject, trace, ms }, 'healed');
  });
}
