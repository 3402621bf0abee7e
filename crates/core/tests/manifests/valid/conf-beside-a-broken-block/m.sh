# Metadata: START
MODULE_IS_CORE=maybe
# Metadata: END

main_module() { :; }
