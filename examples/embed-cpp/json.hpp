#ifndef EMBED_JSON_HPP
#define EMBED_JSON_HPP

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

// What the example reads and writes of JSON. A host has a library for it.
namespace json {

using std::string;
using std::string_view;

// How long the value is with which this text begins. What the library gives is valid and without blanks.
inline std::size_t length(string_view text) {
    std::size_t at = 0;
    int depth = 0;
    bool quoted = false;
    for (; at < text.size() && (quoted || depth > 0 || string_view(",]}").find(text[at]) == string_view::npos); at++) {
        const char c = text[at];
        if (quoted && c == '\\') {
            at++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        }
    }
    return at < text.size() ? at : text.size();
}

// The value of a member of an object, not of one within it; empty if there is none.
inline string_view member(string_view object, string_view name) {
    const string key = '"' + string(name) + "\":";
    while (!object.empty() && (object[0] == '{' || object[0] == ',')) {
        object.remove_prefix(1);
        const string_view pair = object.substr(0, length(object));
        if (pair.substr(0, key.size()) == key) {
            return pair.substr(key.size());
        }
        object.remove_prefix(pair.size());
    }
    return {};
}

inline unsigned long hex4(string_view digits) {
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != string_view::npos) {
        throw std::runtime_error("four hexadecimal digits are missing");
    }
    return std::stoul(string(digits), nullptr, 16);
}

inline string utf8(unsigned long c) {
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    const unsigned long first[] = {0, 0xC0, 0xE0, 0xF0};
    string out(1, static_cast<char>(first[more] | (c >> (6 * more))));
    for (int left = more - 1; left >= 0; left--) {
        out += static_cast<char>(0x80 | ((c >> (6 * left)) & 0x3F));
    }
    return out;
}

// The text of a string; none for null and other values.
inline std::optional<string> text(string_view value) {
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') {
        return std::nullopt;
    }
    value = value.substr(1, value.size() - 2);
    const string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    string out;
    for (std::size_t at = 0; at < value.size(); at++) {
        if (value[at] != '\\') {
            out += value[at];
        } else if (value.substr(++at, 1) == "u") {
            unsigned long c = hex4(value.substr(at + 1, 4));
            at += 4;
            if (c >= 0xD800 && c < 0xDC00 && value.substr(at + 1, 2) == "\\u") {  // the first half of a pair
                const unsigned long low = hex4(value.substr(at + 3, 4));
                c = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00) : 0;
                at += 6;
            }
            if (c == 0 || (c >= 0xD800 && c < 0xE000)) {
                throw std::runtime_error("a NUL, which no path holds, or half a character");
            }
            out += utf8(c);
        } else {
            out += meant.at(letters.find(value.at(at)));
        }
    }
    return out;
}

// A text as a string.
inline string quote(string_view text) {
    string out = "\"";
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20) {
            out += string("\\u00") + "01"[c / 16] + "0123456789abcdef"[c % 16];
        } else {
            out += (c == '"' || c == '\\') ? string("\\") + c : string(1, c);
        }
    }
    return out + '"';
}

}  // namespace json

#endif
