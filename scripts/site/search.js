// Search: the sections that have all words, those with them in their headings first. `/` goes to the field.
/* global searchIndex */
const mostFound = 20;
const field = document.querySelector('input[type=search]');
const list = document.querySelector('.found');
const { root } = field.dataset;

// Where the contents stand above the page, the page comes first.
if (matchMedia('(max-width: 48rem)').matches) document.querySelector('.contents details').open = false;

field.addEventListener('input', () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = words.length === 0 ? [] : find(words);
  list.hidden = hits.length === 0;
  list.replaceChildren(...hits.map(shown));
});
field.addEventListener('keydown', ({ key }) => {
  if (key === 'Enter') list.querySelector('a')?.click();
  if (key === 'Escape') {
    field.value = '';
    field.dispatchEvent(new Event('input'));
  }
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target.matches('input')) return;
  event.preventDefault();
  field.focus();
});

function find(words) {
  return searchIndex
    .map((section) => ({ section, score: scoreOf(section, words) }))
    .filter(({ score }) => score > 0)
    .toSorted((one, other) => other.score - one.score)
    .slice(0, mostFound)
    .map(({ section }) => section);
}

/** 0 unless all words are there. */
function scoreOf([title, heading, , text], words) {
  const [head, body] = [`${title} ${heading}`.toLowerCase(), text.toLowerCase()];
  if (!words.every((word) => head.includes(word) || body.includes(word))) return 0;
  return 1 + 10 * words.filter((word) => head.includes(word)).length;
}

function shown([title, heading, address]) {
  const link = document.createElement('a');
  link.href = root + address;
  link.textContent = heading === '' ? title : `${title}: ${heading}`;
  const item = document.createElement('li');
  item.append(link);
  return item;
}
