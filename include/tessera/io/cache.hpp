// Small results that take long and can be had again: one text file each in $TESSERA_CACHE, else $XDG_CACHE_HOME/tessera,
// else ~/.cache/tessera. A cache that cannot be read or written is no error: the result is made anew.
#pragma once

#include <optional>
#include <string>

namespace tessera {

// What was stored under the key: a text that names everything the result depends on.
std::optional<std::string> readCache(const std::string& key);
void writeCache(const std::string& key, const std::string& text);
// The same, but what is there already stays: of several processes that find something out at once, one is right for all.
void offerCache(const std::string& key, const std::string& text);

}  // namespace tessera
