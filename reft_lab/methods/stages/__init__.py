"""The stages that methods are composed of. Heavy to import: they compute."""
