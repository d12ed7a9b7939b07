//! What a shell and its user want to know of the command line: completions and the manual page.

use super::{Cli, print};
use crate::error::{Error, Result};
use clap::{Arg, Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

/// Print completions for a shell
#[derive(Args)]
#[command(after_help = "Examples:
  carl completions bash > ~/.local/share/bash-completion/completions/carl
  carl completions zsh > ~/.zfunc/_carl")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "carl", &mut text);
        print_bytes(text)
    }
}

/// Print the manual page: the program and all of its commands, options of all commands once
#[derive(Args)]
#[command(after_help = "Examples:
  carl man > carl.1
  carl man | man -l -")]
pub struct Man;

impl Man {
    pub fn run(&self) -> Result<()> {
        let mut program = Cli::command();
        program.build();
        let mut text = Vec::new();
        let page = Page::new(program.clone());
        let failed = |error| Error::io("the manual page", "write", &error);
        page.render(&mut text).map_err(failed)?;
        for command in
            program.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
        {
            let repeated = |arg: &Arg| arg.is_global_set() || ["help", "version"].contains(&arg.get_id().as_str());
            let page = Page::new(command.clone().mut_args(|arg| if repeated(&arg) { arg.hide(true) } else { arg }));
            page.render_name_section(&mut text).map_err(failed)?;
            page.render_synopsis_section(&mut text).map_err(failed)?;
            page.render_options_section(&mut text).map_err(failed)?;
            page.render_extra_section(&mut text).map_err(failed)?;
        }
        print_bytes(text)
    }
}

fn print_bytes(text: Vec<u8>) -> Result<()> {
    print(String::from_utf8_lossy(&text).trim_end())
}
