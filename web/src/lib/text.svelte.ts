// The language, and what is said in it: two catalogues of one type.

import { en } from '../text/en';
import type { Catalogue } from '../text/en';
import { zh } from '../text/zh';

export type Language = 'en' | 'zh-CN';

const KEPT = 'utilidor/language';

function first(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === 'en' || kept === 'zh-CN') return kept;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}

let language = $state<Language>(first());
document.documentElement.lang = language;

export const text = {
  get t(): Catalogue {
    return language === 'en' ? en : zh;
  },
  get language(): Language {
    return language;
  },
  set language(chosen: Language) {
    language = chosen;
    localStorage.setItem(KEPT, chosen);
    document.documentElement.lang = chosen;
  },
};
