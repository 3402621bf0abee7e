//! Runs a function of a module's script, or a command, in a bash of its own.

use std::path::{Path, PathBuf};

use hoist_core::format::shell::{PACKAGE_METHODS, PackageMethod};
use hoist_core::shell_quoted;
use hoist_executor::{Command, Exit, Failure};
use hoist_files::{TEXT_LIMIT, read_limited};
use serde::Deserialize;

use hoist_machine::machine::Machine;
use hoist_machine::messages::ModuleMessage;
use hoist_methods::install_script::BASH;
use hoist_methods::{package, user_packages};
use hoist_system::context::StepContext;
use hoist_system::method::{Applied, LastMessage, Method, MethodEntry, MethodUse};

/// A function of a script, or a command.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bash {
    script: Option<PathBuf>,
    function: Option<String>,
    command: Option<String>,
    /// The root of the collection the script belongs to.
    collection: PathBuf,
    /// Variables that the script assigns though they are not its metadata.
    #[serde(default)]
    forget: Vec<String>,
    /// Whether the metadata stand in another file than the script, so that the script's own
    /// assignments do not count.
    #[serde(default)]
    restore: bool,
    /// Shared resources that the script's words mention.
    #[serde(default)]
    tools: Vec<String>,
    /// Whether the script's last line is a test whose failure means nothing.
    #[serde(default)]
    guarded: bool,
}

/// The shell helpers for collections that bring none, by the names that scripts source them by.
fn helper_files() -> [(&'static str, String); 3] {
    let handlers = include_str!("../lib/module-handlers.sh");
    [
        ("common.sh", include_str!("../lib/common.sh").to_owned()),
        (
            "module-handlers.sh",
            format!("{handlers}{}", package_handlers()),
        ),
        (
            "module-api.sh",
            include_str!("../lib/module-api.sh").to_owned(),
        ),
    ]
}

/// How the program below tells that it could not read the script.
const NOT_SOURCED: i32 = 125;

/// How it tells that it has read the script, and what its function returned.
const READ: &str = "::hoist:read::";
const STATUS: &str = "::hoist:status::";

/// Sources the script from its real path, without arguments, and calls a function of it. `$1` is
/// the script, `$2` the function.
///
/// It says when the script is read, so that a script which exits half-way is not taken for one that
/// was read, and what the function returned when that is a failure, which a trap of the script's
/// may hide. Both go through a descriptor of their own, because a script may lead standard error
/// elsewhere. Reading from a terminal fails in a background process group that ignores SIGTTIN,
/// where it would otherwise stop for ever. `@metadata@` makes the variables what the metadata say,
/// whatever the script assigned.
const PROGRAM: &str = r#"
trap '' TTIN TTOU
__hoist_script=$1 __hoist_function=$2
exec {__hoist_tell}>&2
set --
builtin source "$__hoist_script"
__hoist_status=$?
if [[ $__hoist_status -ne 0 && @guarded@ -eq 0 ]]; then
    printf '::hoist:error::%s\n' "reading $__hoist_script failed with status $__hoist_status" >&2
    exit 125
fi
if ! declare -F "$__hoist_function" >/dev/null; then
    printf '::hoist:error::%s\n' "$__hoist_script does not define $__hoist_function" >&2
    exit 125
fi
printf '::hoist:read::\n' >&$__hoist_tell
@metadata@
"$__hoist_function"
__hoist_status=$?
[[ $__hoist_status -eq 0 ]] || printf '::hoist:status::%s\n' "$__hoist_status" >&$__hoist_tell
exit "$__hoist_status"
"#;

/// Reads one of hoist's helpers, whose text is in this program: on a disk anybody could change it.
fn helpers(library: &[(&str, String)]) -> String {
    let text =
        |(name, text): &(&str, String)| format!("        {name}) eval {} ;;\n", shell_quoted(text));
    format!(
        "__hoist_library() {{\n    case $1 in\n{}    esac\n}}\n",
        library.iter().map(text).collect::<String>()
    )
}

/// The helpers of methods that install packages below a directory.
fn package_handlers() -> String {
    let handlers = |method: &PackageMethod| {
        let PackageMethod { word, update, .. } = method;
        format!(
            "\n# install_via_{word} [MODULE [PACKAGE...]]\ninstall_via_{word}() {{ __hoist_step {word} \"${{1:-$MODULE_NAME}}\" \"${{@:2}}\"; }}\n\n# update_via_{update} [MODULE [PACKAGE...]]\nupdate_via_{update}() {{ HOIST_UPGRADE=1 __hoist_step {word} \"${{1:-$MODULE_NAME}}\" \"${{@:2}}\"; }}\n"
        )
    };
    PACKAGE_METHODS.iter().map(handlers).collect()
}

/// Leads `source` to hoist's helpers where the collection has no file of that name; everything else
/// is read as it is.
const FALLBACK: &str = r#"
source() {
    if [[ ! -e ${1-} ]]; then
        case ${1-} in
            */common.sh | */module-handlers.sh | */module-api.sh | common.sh | module-handlers.sh | module-api.sh)
                __hoist_library "${1##*/}"
                return
                ;;
        esac
    fi
    builtin source "$@"
}
.() { source "$@"; }
"#;

/// Words by which a script is known to use hoist's helpers without asking for them.
const HELPERS: &[&str] = &[
    "log_",
    "command_exists",
    "is_root",
    "has_sudo",
    "run_as_root",
    "check_prerequisites",
    "get_package_names",
    "detect_os",
    "detect_package_manager",
    "init_common",
    "install_via_",
    "update_via_",
];

/// Its entry in the table of methods.
pub(crate) const METHOD: MethodEntry = MethodEntry {
    programs: &[&BASH],
    usual_seconds: 2.0,
    needs_password,
    ..MethodEntry::new::<Bash>("bash")
};

/// Scripts that install packages of the system may need root.
fn needs_password(uses: &[MethodUse<'_>], machine: &Machine) -> bool {
    let installs_packages = |used: &MethodUse<'_>| {
        let tools = used.step.args["tools"].as_array();
        tools.is_some_and(|tools| tools.iter().any(|tool| tool == "package"))
    };
    uses.iter().any(installs_packages) && package::is_password_needed(machine, &[])
}

impl Method for Bash {
    fn pools(&self, machine: &Machine) -> Vec<(String, usize)> {
        let pool = |tool: &String| match PackageMethod::find(tool) {
            Some(method) => (
                user_packages::pool(method.word, &machine.home.join(".local")),
                1,
            ),
            None => (tool.clone(), 1),
        };
        self.tools.iter().map(pool).collect()
    }

    fn changes_only_files(&self) -> bool {
        self.tools.is_empty()
    }

    fn tells(&self) -> bool {
        false
    }

    fn apply(&mut self, context: &StepContext<'_>) -> Result<Applied, Failure> {
        let temporary = context.machine.spare.take()?;
        let mut told = Told::default();
        let (exit, last_error) = match (&self.script, &self.function, &self.command) {
            (Some(script), Some(function), None) => {
                self.call(context, script, function, temporary.path(), &mut told)?
            }
            (None, None, Some(command)) => self.run(
                context,
                temporary.path(),
                std::slice::from_ref(command),
                &mut told,
            )?,
            _ => {
                return Err(Failure::new(
                    "a bash step needs a script and a function, or a command",
                ));
            }
        };
        let what = self.function.as_deref().unwrap_or("the command");
        let because = last_error
            .as_ref()
            .map(|error| format!(": {error}"))
            .unwrap_or_default();
        match exit {
            exit if exit.success() => {
                let is_error = last_error.is_some();
                let last_message = last_error
                    .or(told.last)
                    .map(|text| LastMessage { text, is_error });
                Ok(Applied {
                    last_message,
                    ..Applied::changed()
                })
            }
            exit if exit.code == NOT_SOURCED => {
                Err(Failure::new(format!("cannot read the script{because}")))
            }
            exit if exit.signalled => {
                Err(Failure::new(format!("{what} was ended by {exit}{because}")))
            }
            exit => Err(Failure::new(format!("{what} failed with {exit}{because}"))),
        }
    }
}

impl Bash {
    fn call(
        &self,
        context: &StepContext<'_>,
        script: &Path,
        function: &str,
        temporary: &Path,
        told: &mut Told,
    ) -> Result<(Exit, Option<String>), Failure> {
        let program = PROGRAM
            .replace("@guarded@", if self.guarded { "1" } else { "0" })
            .replace("@metadata@", &self.metadata(context));
        let mut program = program;
        let library = self.collection.join("lib");
        let helper_files = helper_files();
        let missing: Vec<&str> = helper_files
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !library.join(name).exists())
            .collect();
        let text = read_limited(script, TEXT_LIMIT)
            .map_err(|error| context.task.failed("reading", script, &error))?;
        let text = String::from_utf8_lossy(&text);
        // A function called `source` makes what the file declares local to it, so it is there only
        // where it is needed.
        if missing.iter().any(|name| text.contains(name)) {
            program.insert_str(0, FALLBACK);
            program.insert_str(0, &helpers(&helper_files));
        }
        // Scripts of collections without helpers may also count on having them without asking.
        if missing.contains(&"common.sh") && HELPERS.iter().any(|name| text.contains(name)) {
            let asked = helper_files
                .iter()
                .filter(|(name, _)| *name != "module-api.sh")
                .map(|(_, text)| format!("{text}\n"));
            program.insert_str(0, &asked.collect::<String>());
        }
        program.insert_str(
            0,
            &format!(
                "SKIP_MODULES=({})\n",
                context
                    .asked
                    .skipped
                    .iter()
                    .map(|name| shell_quoted(name))
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
        );
        let arguments = [
            program,
            "hoist".to_owned(),
            script.display().to_string(),
            function.to_owned(),
        ];
        let (exit, error) = self.run(context, temporary, &arguments, told)?;
        let script = script.display();
        match (told.read, exit) {
            (false, exit) if exit.success() => Err(Failure::new(format!(
                "{script} called `exit` before {function} was called"
            ))),
            (false, exit) if exit.code != NOT_SOURCED => {
                let because = error.map(|error| format!(": {error}")).unwrap_or_default();
                Err(Failure::new(format!(
                    "{script} ended with {exit} before {function} was called{because}"
                )))
            }
            // The function's own code, which only by chance is the program's.
            (true, exit) if exit.code == NOT_SOURCED => {
                Err(Failure::new(format!("{function} failed with {exit}")))
            }
            (_, exit) => Ok((
                Exit {
                    code: told
                        .status
                        .filter(|status| *status != 0)
                        .unwrap_or(exit.code),
                    ..exit
                },
                error,
            )),
        }
    }

    /// Assignments that make the variables what the metadata say; needed only where the script may
    /// have assigned others.
    fn metadata(&self, context: &StepContext<'_>) -> String {
        if !self.restore {
            return String::new();
        }
        let forget = self
            .forget
            .iter()
            .filter(|name| !context.variables.contains_key(*name))
            .map(|name| format!("unset -v {name}\n"));
        let declare = context
            .variables
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", shell_quoted(value)));
        forget.chain(declare).collect()
    }

    /// Runs bash with these arguments behind `-c`, and returns how it ended with its last message
    /// that something went wrong.
    fn run(
        &self,
        context: &StepContext<'_>,
        temporary: &Path,
        arguments: &[String],
        told: &mut Told,
    ) -> Result<(Exit, Option<String>), Failure> {
        let machine = context.machine;
        let mut environment = machine.script_environment(context.variables, &context.path.joined());
        let set = [
            ("TMPDIR", temporary.display().to_string()),
            ("SCRIPT_DIR", self.collection.display().to_string()),
            (
                "HOIST_COLLECTION_DIR",
                self.collection.display().to_string(),
            ),
            ("HOIST_MODULE", context.module.to_owned()),
            ("FORCE_INSTALL", context.force.to_string()),
        ];
        environment.extend(set.map(|(name, value)| (name.to_owned(), value)));
        environment.extend(asked(context));
        let bash = machine
            .bash()
            .ok_or_else(|| Failure::new("bash is not on PATH"))?;
        let command = Command::new(bash)
            .args(["-c"])
            .args(arguments.iter().map(String::as_str))
            .environment(environment)
            .directory(&self.collection);
        let mut last_error = None;
        let exit =
            context
                .task
                .run_with(&context.confined(command, temporary), |stream, line| {
                    match ModuleMessage::parse(line) {
                        None if told.take(line, |before| context.task.output(stream, before)) => {}
                        Some(message) => {
                            if message.level == hoist_executor::Level::Error {
                                last_error = Some(message.text.clone());
                            }
                            told.last = Some(message.text.clone());
                            context.task.note(message.level, message.text);
                        }
                        None => {
                            if !line.trim().is_empty() {
                                told.last = Some(line.trim().to_owned());
                            }
                            context.task.output(stream, line);
                        }
                    }
                })?;
        Ok((exit, last_error))
    }
}

/// Optional modules skip themselves unless their variable says that they were asked for; one that
/// another needs was asked for by that.
fn asked(context: &StepContext<'_>) -> impl Iterator<Item = (String, String)> {
    let named = context
        .asked
        .named
        .iter()
        .map(String::as_str)
        .chain([context.module]);
    let variable = |name: &str| {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        (
            format!("WITH_{}", name.chars().map(plain).collect::<String>()),
            "true".to_owned(),
        )
    };
    let minimal = (
        "MINIMAL_INSTALL".to_owned(),
        context.asked.minimal.to_string(),
    );
    named.map(variable).chain([minimal])
}

/// What the program tells of itself, among the script's output.
#[derive(Debug, Default)]
struct Told {
    read: bool,
    status: Option<i32>,
    /// The last message or line of the script itself.
    last: Option<String>,
}

impl Told {
    /// Takes a line in which the program speaks; what the script wrote before it on the same line
    /// is handed to `rest`.
    fn take(&mut self, line: &str, rest: impl FnOnce(&str)) -> bool {
        let before = if let Some(before) = line.strip_suffix(READ) {
            self.read = true;
            before
        } else if let Some((before, status)) = line
            .rsplit_once(STATUS)
            .filter(|(_, status)| status.parse::<i32>().is_ok())
        {
            self.status = status.parse().ok();
            before
        } else {
            return false;
        };
        if !before.is_empty() {
            rest(before);
        }
        true
    }
}
