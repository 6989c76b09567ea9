//! A contract's text against its tests: each sentence that the other side reads before it signs is held by a test.

use utilidor_types::program::{Bilingual, Manifest};

/// The sentences of a text, without what ends them.
fn sentences<'a>(text: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(end)
        .map(|sentence| sentence.trim().trim_end_matches(['.', '。']))
        .filter(|sentence| !sentence.is_empty())
}

/// What is wrong with a manifest's text, given for each English sentence the test that holds it, and the tests' source: a
/// sentence without a test, a test that is not there, a sentence that the text does not have, or another number of sentences in
/// Chinese.
pub fn unheld(manifest: &Manifest, held: &[(&str, &str)], tests: &str) -> Vec<String> {
    let texts = || std::iter::once(&manifest.summary).chain(&manifest.clauses);
    let said: Vec<&str> = texts().flat_map(|text| sentences(&text.en, ". ")).collect();
    let is_held = |sentence: &&str| held.iter().any(|(of, _)| of == sentence);
    let is_test = |name: &str| tests.contains(&format!("#[test]\nfn {name}()"));
    let differs = |text: &&Bilingual| sentences(&text.en, ". ").count() != sentences(&text.zh, "。").count();

    let without = said.iter().filter(|sentence| !is_held(sentence)).map(|sentence| format!("no test: {sentence}"));
    let missing = held.iter().filter(|(_, test)| !is_test(test)).map(|(_, test)| format!("there is no test {test}"));
    let unsaid = held.iter().filter(|(sentence, _)| !said.contains(sentence));
    let unsaid = unsaid.map(|(sentence, _)| format!("the text does not say: {sentence}"));
    let unlike = texts().filter(differs).map(|text| format!("another number of sentences: {}", &*text.zh));
    without.chain(missing).chain(unsaid).chain(unlike).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::Text;

    #[test]
    fn a_sentence_without_a_test_is_found() {
        let text = |en: &str, zh: &str| Bilingual { en: Text::new(en).unwrap(), zh: Text::new(zh).unwrap() };
        let manifest = Manifest { summary: text("One. And two.", "一。二。"), ..Manifest::default() };
        let tests = "#[test]\nfn one_is_one() {}\n#[test]\nfn two_is_two() {}\n";
        let both = [("One", "one_is_one"), ("And two", "two_is_two")];
        assert_eq!(unheld(&manifest, &both, tests), Vec::<String>::new());
        assert_eq!(unheld(&manifest, &both[..1], tests), ["no test: And two"]);
        assert_eq!(unheld(&manifest, &both, "#[test]\nfn one_is_one() {}"), ["there is no test two_is_two"]);
        let more = [both[0], both[1], ("Three", "one_is_one")];
        assert_eq!(unheld(&manifest, &more, tests), ["the text does not say: Three"]);
        let shorter = Manifest { summary: text("One. And two.", "一和二。"), ..manifest };
        assert_eq!(unheld(&shorter, &both, tests), ["another number of sentences: 一和二。"]);
    }
}
