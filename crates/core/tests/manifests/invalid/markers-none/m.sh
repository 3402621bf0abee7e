#!/bin/bash

main_module() { :; }
