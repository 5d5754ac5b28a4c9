// The page's scripts are no modules: Gradio runs each as the body of a function. So do the tests.
import { readFileSync } from 'node:fs';

/** What some scripts of assets/, one after the other, declare by these names. */
export function declared(files, ...names) {
  const source = files.map((file) => readFileSync(new URL(`../../assets/${file}`, import.meta.url), 'utf8')).join('\n');
  return new Function(`${source}\nreturn { ${names.join()} };`)();
}
