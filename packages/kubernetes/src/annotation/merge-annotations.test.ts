// A pod's word counts before that of its namespace.
import { expect, it } from 'vitest';
import { problemText, wishOf } from './merge-annotations.js';

const key = 'networkservicemesh.io';

function asked(pod: Record<string, string>, namespace: Record<string, string>): string[] {
  return wishOf(pod, namespace).attachments.map(
    ({ service, interfaceName }) => `${service}/${interfaceName ?? ''}`,
  );
}

it('adds what the namespace asks for', () => {
  expect(asked({ [key]: 'kernel://a/x' }, { [key]: 'kernel://b/y' })).toEqual(['a/x', 'b/y']);
  expect(asked({}, { [key]: 'kernel://b/y' })).toEqual(['b/y']);
  expect(asked({}, {})).toEqual([]);
});

it('takes the word of the pod for a service, and for the name of an interface', () => {
  const namespace = { [key]: 'kernel://a/y, kernel://b/x, kernel://c' };
  expect(asked({ [key]: 'kernel://a/x' }, namespace)).toEqual(['a/x', 'c/']);
});

it('reads the earlier name of the annotation where there is no other', () => {
  expect(asked({ 'ns.networkservicemesh.io': 'a?x=1' }, {})).toEqual(['a/']);
  expect(asked({ 'ns.networkservicemesh.io': 'a', [key]: 'kernel://b' }, {})).toEqual(['b/']);
});

it('asks for nothing where one of them is wrong, and says which and where', () => {
  const { attachments, problems } = wishOf({ [key]: 'kernel://a' }, { [key]: 'b, c://d' });
  expect(attachments).toEqual([]);
  expect(problems.map(problemText)).toEqual([
    expect.stringMatching(/^annotation networkservicemesh\.io of the namespace, column 4: "c" is no type/),
  ]);
});
