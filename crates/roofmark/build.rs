//! Lets the shipped binary find llama.cpp's libraries beside itself (feature `dynamic-backends`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_DYNAMIC_BACKENDS").is_none() {
        return;
    }
    let beside = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => "$ORIGIN",
        Ok("macos") => "@executable_path",
        _ => return,
    };
    println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{beside}");
}
