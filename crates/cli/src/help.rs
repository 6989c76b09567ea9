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
    if let Some(after) = command.get_after_help().map(|after| translated_text(&after.to_string())) {
        command = command.after_help(after);
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
    let Some(help) = argument.get_help().and_then(|help| chinese(&help.to_string())) else { return argument };
    let further = further(&argument);
    let argument = argument.hide_possible_values(true).hide_default_value(true);
    argument.help(format!("{help}{further}")).long_help(format!("{help}{further}"))
}

/// What the parser would say in English behind an argument's help: its possible values, and what stands for it if it is left out.
fn further(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let mut told = String::new();
    let possible = argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    let possible: Vec<_> = possible
        .map(|value| match value.get_help().and_then(|help| chinese(&help.to_string())) {
            Some(help) => format!("{}（{help}）", value.get_name()),
            None => value.get_name().into(),
        })
        .collect();
    if !possible.is_empty() && !argument.is_hide_possible_values_set() {
        told += &format!(" [可选：{}]", possible.join("、"));
    }
    let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !default.is_empty() && !argument.is_hide_default_value_set() {
        told += &format!(" [默认：{}]", default.join("、"));
    }
    told
}

/// A part of what stands below a command's help.
enum Part {
    /// A paragraph, or what is said of an example behind it, as one line.
    Said(String),
    /// What is the same in every language: an example.
    Example(String),
    /// The end of a line.
    End,
}

/// The parts of a text: examples are indented, and what is said of one begins with `#`.
fn parts(text: &str) -> Vec<Part> {
    let (mut parts, mut paragraph) = (Vec::new(), Vec::new());
    for line in text.lines().map(Some).chain([None]) {
        if let Some(line) = line.filter(|line| !line.is_empty() && !line.starts_with(' ')) {
            paragraph.push(line);
            continue;
        }
        if !paragraph.is_empty() {
            parts.extend([Part::Said(paragraph.join(" ")), Part::End]);
            paragraph.clear();
        }
        let Some(line) = line else { continue };
        match line.split_once(" # ") {
            Some((example, said)) => parts.extend([Part::Example(format!("{example} # ")), Part::Said(said.into())]),
            None => parts.push(Part::Example(line.into())),
        }
        parts.push(Part::End);
    }
    parts
}

fn translated_text(english: &str) -> String {
    let part = |part| match part {
        Part::Said(said) => chinese(&said).map_or(said, Into::into),
        Part::Example(example) => example,
        Part::End => "\n".into(),
    };
    let text: String = parts(english).into_iter().map(part).collect();
    text.trim_end().into()
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
        let after = command.get_after_help().into_iter().flat_map(|after| parts(&after.to_string()));
        let after = after.filter_map(|part| match part {
            Part::Said(said) => Some(said),
            Part::Example(_) | Part::End => None,
        });
        let values = command.get_arguments().flat_map(Arg::get_possible_values);
        let values: Vec<_> = values.filter_map(|value| value.get_help().map(ToString::to_string)).collect();
        let own = own.map(ToString::to_string).chain(after).chain(values);
        found.extend(own.filter(|text| chinese(text).is_none()));
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

    fn english(command: &mut Command, found: &mut Vec<String>) {
        if command.get_name() == "bench" {
            return;
        }
        let help = command.render_long_help().to_string();
        let said = ["[default", "[possible values", "Possible values", "Example", "Options:", "Usage:", "Commands:"];
        found.extend(
            said.iter().filter(|said| help.contains(**said)).map(|said| format!("{}: {said}", command.get_name())),
        );
        command.get_subcommands_mut().for_each(|command| english(command, found));
    }

    #[test]
    fn no_commands_long_help_has_english_of_the_parsers_own() {
        let (mut command, mut found) = (localized(Arguments::command(), Lang::Zh), Vec::new());
        english(&mut command, &mut found);
        assert_eq!(found, Vec::<String>::new());
        let keys = command.find_subcommand_mut("keys").and_then(|keys| keys.find_subcommand_mut("new")).unwrap();
        let help = keys.render_long_help().to_string();
        assert!(help.contains("seal（开启要约的报价）] [默认：ed25519]"), "{help}");
        assert!(
            help.contains("示例：\n  utilidor keys new plant                  # 为账户签名（Ed25519）\n"),
            "{help}"
        );
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
