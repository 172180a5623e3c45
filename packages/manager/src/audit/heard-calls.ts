// Wraps a service so that a listener hears how each call ended.
import { type CallContext, NsmError } from '@nsm/api';

type Method = (request: object, context: CallContext) => Promise<object> | AsyncIterable<object>;

/** @param error why the call was refused or failed; undefined when it was served: a stream, as soon as there is a first answer. */
export type CallHearer = (call: string, request: object, context: CallContext, error?: NsmError) => void;

/** The same service. A reply that says `accepted: false` is a refusal, too. */
export function heardCalls<S extends object>(service: S, hear: CallHearer): S {
  const methods = Object.entries(service as Record<string, Method>).map(([call, run]) => {
    const method: Method = (request, context) => {
      const failed = (thrown: unknown): never => {
        hear(call, request, context, NsmError.from(thrown));
        throw thrown;
      };
      const unary = async (answer: Promise<object>): Promise<object> => {
        const reply = (await answer.catch(failed)) as Partial<Refusable>;
        const { accepted = true, admissionError = '' } = reply;
        const refusal = accepted ? undefined : NsmError.fromAdmissionError(admissionError, 'internal');
        hear(call, request, context, refusal);
        return reply;
      };
      async function* streaming(answers: AsyncIterable<object>): AsyncGenerator<object> {
        let isFirst = true;
        try {
          for await (const answer of answers) {
            if (isFirst) hear(call, request, context);
            isFirst = false;
            yield answer;
          }
        } catch (thrown) {
          failed(thrown);
        }
      }
      try {
        const answer = run.call(service, request, context);
        return answer instanceof Promise ? unary(answer) : streaming(answer);
      } catch (thrown) {
        return failed(thrown);
      }
    };
    return [call, method];
  });
  return Object.fromEntries(methods) as S;
}

interface Refusable {
  readonly accepted: boolean;
  readonly admissionError: string;
}
