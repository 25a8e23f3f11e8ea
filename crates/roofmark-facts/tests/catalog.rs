//! The embedded catalog is whole: every number has a dated source, every name leads somewhere.

use roofmark_facts::catalog::{Catalog, CatalogError};
use roofmark_facts::machine::{Machine, Source};
use roofmark_facts::names::Lookup;

fn assert_dated(source: &Source, entry: &str) {
    let year = source.date.get(..4).and_then(|year| year.parse::<u32>().ok());
    assert!(year.is_some_and(|year| (2015..2030).contains(&year)), "{entry}: date `{}`", source.date);
    assert!(!source.title.is_empty(), "{entry}: source without a title");
}

fn machine_sources(machine: &Machine) -> Vec<&Source> {
    let bytes =
        [&machine.memory, &machine.usable, &machine.cache].map(|fact| fact.as_ref().map(|fact| &fact.source));
    let rates = [&machine.bandwidth, &machine.measured_read, &machine.link, &machine.network]
        .map(|fact| fact.as_ref().map(|fact| &fact.source));
    let watts = [&machine.tdp, &machine.load, &machine.prefill_power, &machine.idle]
        .map(|fact| fact.as_ref().map(|fact| &fact.source));
    let counts = [&machine.cpu_cores, &machine.gpu_cores, &machine.noise_db]
        .map(|fact| fact.as_ref().map(|fact| &fact.source));
    let peaks = machine.peaks.iter().map(|(_, peak)| Some(&peak.source));
    [&bytes[..], &rates[..], &watts[..], &counts[..]].concat().into_iter().chain(peaks).flatten().collect()
}

#[test]
fn every_number_has_a_dated_source() {
    let catalog = Catalog::builtin();
    for machine in &catalog.machines {
        machine_sources(machine).iter().for_each(|source| assert_dated(source, &machine.slug));
    }
    catalog.models.iter().for_each(|model| assert_dated(&model.source, &model.slug));
    catalog.prices.iter().for_each(|price| assert_dated(&price.source, &price.machine));
    catalog.api_prices.iter().for_each(|price| assert_dated(&price.source, &price.model));
    catalog.tariffs.iter().for_each(|tariff| assert_dated(&tariff.source, &tariff.region));
    catalog.support.iter().for_each(|support| assert_dated(&support.source, &support.engine));
}

#[test]
fn the_catalog_is_large_enough_to_be_of_use() {
    let catalog = Catalog::builtin();
    assert!(catalog.machines.len() >= 50 && catalog.models.len() >= 40);
    let known = catalog.machines.iter().filter(|machine| machine.bandwidth.is_some()).count();
    assert!(known * 100 >= catalog.machines.len() * 98, "{known} have a bandwidth");
}

#[test]
fn names_lead_somewhere() {
    let catalog = Catalog::builtin();
    for family in &catalog.families {
        for member in &family.members {
            assert!(catalog.machine(member).is_some(), "family {}: {member}", family.name);
        }
    }
    for price in &catalog.prices {
        assert!(catalog.machine(&price.machine).is_some(), "price of {}", price.machine);
    }
    for price in &catalog.api_prices {
        assert!(!catalog.find_model(&price.model).all().is_empty(), "price of {}", price.model);
    }
}

#[test]
fn every_machine_and_model_is_found_by_its_own_name() {
    let catalog = Catalog::builtin();
    for machine in &catalog.machines {
        assert_eq!(catalog.find_machine(&machine.slug).one().map(|found| &found.slug), Some(&machine.slug));
    }
    for model in &catalog.models {
        assert_eq!(catalog.find_model(&model.slug).one().map(|found| &found.model.slug), Some(&model.slug));
    }
}

#[test]
fn an_owners_file_adds_and_replaces() {
    let text = r#"
        [source.mine]
        title = "my own probe"
        date = "2026-11-24"
        [[machine]]
        slug = "my-box"
        vendor = "me"
        name = "My box"
        kind = "cpu"
        class = "cpu-x86"
        [machine.facts]
        bandwidth_gb_s = { value = 64, source = "mine", basis = "measured" }
        [[model]]
        slug = "my-tune"
        name = "My tune"
        maker = "me"
        released = "2026-11"
        params_b = 8.03
        source = "mine"
        like = "llama-3.1-8b"
    "#;
    let catalog = Catalog::builtin().clone().extended("mine.toml", text).unwrap();
    assert!(matches!(catalog.find_machine("My Box"), Lookup::One(machine) if machine.vendor == "me"));
    assert_eq!(catalog.model("my-tune").unwrap().shape, catalog.model("llama-3.1-8b").unwrap().shape);
    assert_eq!(catalog.machines.len(), Catalog::builtin().machines.len() + 1);
}

/// What `text` is refused with.
fn refused(text: &str) -> String {
    let result: Result<Catalog, CatalogError> = Catalog::builtin().clone().extended("mine.toml", text);
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn mistakes_are_named() {
    let machine = "[[machine]]\nslug = \"a\"\nvendor = \"b\"\nname = \"c\"\nkind = \"cpu\"\nclass = \"d\"\n[machine.facts]\n";
    let unknown = refused(&format!("{machine}tdp_w = {{ value = 1, source = \"x\", basis = \"measured\" }}"));
    assert!(unknown.contains("mine.toml") && unknown.contains("`a`") && unknown.contains("`x`"), "{unknown}");
    let source = "[source.x]\ntitle = \"t\"\ndate = \"2026\"\n";
    let fact =
        refused(&format!("{source}{machine}tpd_w = {{ value = 1, source = \"x\", basis = \"measured\" }}"));
    assert!(fact.contains("tpd_w"), "{fact}");
    let model = "[[model]]\nslug = \"m\"\nname = \"m\"\nmaker = \"m\"\nreleased = \"2026\"\nparams_b = 1\nsource = \"x\"\n";
    let shapeless = refused(&format!("{source}{model}"));
    assert!(shapeless.contains("`m`") && shapeless.contains("like"), "{shapeless}");
    let config =
        refused(&format!("{source}{model}[model.config]\nmodel_type = \"llama\"\nnum_hidden_layers = 2\n"));
    assert!(config.contains("num_attention_heads") || config.contains("hidden_size"), "{config}");
}
