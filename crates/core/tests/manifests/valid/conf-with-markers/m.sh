
main_module() { :; }
