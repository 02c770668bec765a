//! The verbs, one script each.

use ::redis::Script;

macro_rules! scripts {
    ($($name:ident),*) => {
        #[derive(Debug)]
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Default for Scripts {
            fn default() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        include_str!("lua/common.lua"),
                        include_str!(concat!("lua/", stringify!($name), ".lua")),
                    )),)*
                }
            }
        }
    };
}

scripts!(
    adopt, annotate, append, cancel, claim, delete, finish, heartbeat, holders, lose, restore, revoke,
    settle, stats, strays, submit
);
