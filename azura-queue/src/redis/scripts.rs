//! The verbs, one script each.

use ::redis::Script;

macro_rules! scripts {
    ($($name:ident: $($part:ident)*;)*) => {
        #[derive(Debug)]
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Default for Scripts {
            fn default() -> Self {
                Self {
                    $($name: Script::new(concat!(
                        $(include_str!(concat!("lua/", stringify!($part), ".lua")), "\n",)*
                        include_str!(concat!("lua/", stringify!($name), ".lua")),
                    )),)*
                }
            }
        }
    };
}

// Each with the parts that it needs: a part that is not there need not be made each time.
scripts! {
    adopt: common;
    annotate: common;
    append: common meta;
    cancel: common meta change;
    checkpoint: common;
    claim: common meta change foreign;
    delete: common;
    finish: common meta change;
    heartbeat: common;
    holders: common;
    lose: common meta change;
    restore: common;
    revoke: common meta change;
    settle: common meta change;
    sight: common meta change foreign;
    stats: common;
    strays: common meta;
    submit: common;
}
