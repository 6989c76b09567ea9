//! The help, and what is wrong with a command line, in Chinese. English stands where it is defined, beside the arguments; its translation is found by it.

use crate::output::visible;
use crate::sentence;
use crate::text::Lang;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use std::io::Write as _;

/// A line each: English, a tabulator, Chinese.
const LINES: &str = include_str!("help.zh.tsv");

/// The parser's own template, with its heading of the usage in Chinese.
const TEMPLATE: &str = "{before-help}{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}";

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
pub fn localized(mut command: Command, lang: Lang) -> Command {
    if lang == Lang::En {
        return command;
    }
    // What the parser adds by itself is translated as well.
    command.build();
    translated(command)
}

fn translated(mut command: Command) -> Command {
    command = command.help_template(TEMPLATE).subcommand_help_heading("命令");
    if let Some(about) = command.get_about().and_then(|about| chinese(&about.to_string())) {
        command = command.about(about).long_about(about);
    }
    command.mut_args(translated_argument).mut_subcommands(translated)
}

fn translated_argument(argument: Arg) -> Arg {
    let heading = match argument.get_help_heading() {
        Some(english) => chinese(english).unwrap_or("选项"),
        None if argument.is_positional() => "参数",
        None => "选项",
    };
    let argument = argument.help_heading(heading);
    match argument.get_help().and_then(|help| chinese(&help.to_string())) {
        Some(help) => argument.help(help).long_help(help),
        None => argument,
    }
}

/// Ends the process: with the help that was asked for, or with what is wrong with the command line.
pub fn refuse(error: Error) -> ! {
    let said = if sentence::lang() == Lang::Zh && error.use_stderr() { wrong(&error) } else { None };
    let Some(said) = said else { error.exit() };
    // Nothing can be done where even standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", visible(&said));
    std::process::exit(error.exit_code())
}

/// What is wrong with a command line, in Chinese; none where the parser says it by itself.
fn wrong(error: &Error) -> Option<String> {
    let told = |kind| match error.get(kind)? {
        ContextValue::Strings(several) => Some(several.join("、")),
        one => Some(one.to_string()),
    };
    let argument = told(ContextKind::InvalidArg).unwrap_or_default();
    let value = told(ContextKind::InvalidValue).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::MissingRequiredArgument => format!("缺少必需的参数：{argument}"),
        ErrorKind::ArgumentConflict => match told(ContextKind::PriorArg) {
            Some(other) if other != argument => format!("参数 {argument} 不能与 {other} 同用"),
            _ => format!("参数 {argument} 只能写一次"),
        },
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(|why| format!("：{why}")).unwrap_or_default();
            format!("{argument} 的值 {value:?} 无效{why}")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} 需要一个值"),
        ErrorKind::InvalidValue => format!("{argument} 的值 {value:?} 无效"),
        ErrorKind::UnknownArgument => format!("没有参数 {argument}"),
        ErrorKind::InvalidSubcommand => format!("没有命令 {}", told(ContextKind::InvalidSubcommand)?),
        ErrorKind::MissingSubcommand => format!("{} 之后须写一个子命令", told(ContextKind::InvalidSubcommand)?),
        ErrorKind::NoEquals => format!("{argument} 与其值之间须写等号"),
        ErrorKind::TooManyValues => format!("{argument} 的值过多：{value:?}"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("{argument} 的值的个数不对"),
        ErrorKind::InvalidUtf8 => "命令行含有不是 UTF-8 的文字".into(),
        _ => return None,
    };
    let possible = [ContextKind::ValidValue, ContextKind::ValidSubcommand].into_iter().find_map(told);
    let meant = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let further = [
        possible.filter(|possible| !possible.is_empty()).map(|possible| format!("可选：{possible}")),
        meant.into_iter().find_map(told).map(|meant| format!("是否想写：{meant}")),
        told(ContextKind::Usage).map(|usage| usage.replacen("Usage:", "用法：", 1)),
        Some("详情请看 --help".into()),
    ];
    Some(format!("错误：{what}\n  {}", further.into_iter().flatten().collect::<Vec<_>>().join("\n  ")))
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
        for word in ["用法：", "命令:", "选项:", "打印帮助"] {
            assert!(chinese.contains(word), "{word}: {chinese}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_command_line_is_said_in_chinese_with_its_reason() {
        for (line, told) in [
            ("utilidor meter register --carrier gas", "缺少必需的参数：--holder <HOLDER>、--modulus <MODULUS>"),
            ("utilidor meter capacity 12ab", "缺少必需的参数：<CAPACITY>"),
            ("utilidor meter capacity 12ab 3", "<CAPACITY> 的值 \"3\" 无效"),
            ("utilidor meter capacty", "没有命令 capacty"),
            ("utilidor status --jso", "没有参数 --jso\n  是否想写：--json"),
            ("utilidor keys new a --kind wax", "--kind <KIND> 的值 \"wax\" 无效\n  可选："),
        ] {
            let error = localized(Arguments::command(), Lang::Zh).try_get_matches_from(line.split(' ')).unwrap_err();
            let said = wrong(&error).unwrap();
            assert!(said.contains(told), "{line}: {said}");
        }
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
