#include "tessera/core/version.hpp"
int main() { return tessera::version() == nullptr; }
