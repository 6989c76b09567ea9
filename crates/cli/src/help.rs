//! The help in Chinese. English stands where it is defined, beside the arguments; its translation is found by it.

use crate::text::Lang;
use clap::{Arg, Command};

/// A line each: English, a tabulator, Chinese.
const LINES: &str = include_str!("help.zh.tsv");

fn chinese(english: &str) -> Option<&'static str> {
    LINES.lines().filter_map(|line| line.split_once('\t')).find(|(of, _)| *of == english).map(|(_, chinese)| chinese)
}

/// The language that a command line is written for, before it is parsed.
pub fn language(words: impl Iterator<Item = String>, locale: Option<&str>) -> Lang {
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let given = match word.strip_prefix("--lang") {
            Some("") => words.peek().cloned(),
            Some(rest) => rest.strip_prefix('=').map(String::from),
            None => None,
        };
        match given.as_deref() {
            Some("zh") => return Lang::Zh,
            Some("en") => return Lang::En,
            _ => {}
        }
    }
    Lang::of_locale(locale)
}

/// The commands with their help in a language.
pub fn localized(command: Command, lang: Lang) -> Command {
    match lang {
        Lang::En => command,
        Lang::Zh => translated(command),
    }
}

fn translated(mut command: Command) -> Command {
    if let Some(about) = command.get_about().and_then(|about| chinese(&about.to_string())) {
        command = command.about(about).long_about(about);
    }
    command.mut_args(translated_argument).mut_subcommands(translated)
}

fn translated_argument(argument: Arg) -> Arg {
    match argument.get_help().and_then(|help| chinese(&help.to_string())) {
        Some(help) => argument.help(help).long_help(help),
        None => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;
    use clap::CommandFactory as _;

    fn missing(command: &Command, found: &mut Vec<String>) {
        // Measuring is the business of those who write the platform.
        if command.get_name() == "bench" {
            return;
        }
        let own = command.get_about().into_iter().chain(command.get_arguments().filter_map(Arg::get_help));
        found.extend(own.map(ToString::to_string).filter(|text| chinese(text).is_none()));
        command.get_subcommands().for_each(|command| missing(command, found));
    }

    #[test]
    fn every_help_text_is_translated() {
        let mut command = Arguments::command();
        command.build();
        let mut found = Vec::new();
        missing(&command, &mut found);
        assert_eq!(found, Vec::<String>::new());
        let chinese = localized(Arguments::command(), Lang::Zh).render_help().to_string();
        assert!(chinese.contains("离线核验证明") && !chinese.contains("Check a proof offline"), "{chinese}");
    }

    #[test]
    fn the_language_is_known_before_the_command_line_is_parsed() {
        let of = |words: &[&str], locale| language(words.iter().map(ToString::to_string), locale);
        assert_eq!(of(&["offer", "list", "--lang", "zh"], None), Lang::Zh);
        assert_eq!(of(&["--lang=en"], Some("zh_CN.UTF-8")), Lang::En);
        assert_eq!(of(&["offer"], Some("zh_CN.UTF-8")), Lang::Zh);
        assert_eq!(of(&["--language"], None), Lang::En);
    }
}
