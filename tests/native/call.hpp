// A call of a kernel from another process:
//
//   call      kernel argument argument …⏎  and the bytes of the arrays
//   argument  none | integer value | real value | array type bytes offset dimensions shape… strides…
//   answer    figure figure … outputs index index …⏎  and the bytes of those arguments
//
// An array is the whole span of memory that its elements lie in, no byte more, and its first element's offset in that;
// strides are bytes.

#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "source.hpp"

[[noreturn]] inline void fail(const std::string &why) {
    std::cerr << "driver: " << why << '\n';
    std::exit(1);
}

// Memory that ends where a page begins that nobody may touch: whoever reads or writes past it is caught.
class Guarded {
   public:
    Guarded() = default;
    explicit Guarded(std::size_t size) : bytes(size) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), room = (size + page - 1) / page * page;
        mapped = room + page;
        start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED || mprotect(static_cast<char *>(start) + room, page, PROT_NONE) != 0) fail("no memory");
        data = static_cast<char *>(start) + (room - size);
    }
    Guarded(Guarded &&other) noexcept { *this = std::move(other); }
    Guarded &operator=(Guarded &&other) noexcept {
        std::swap(data, other.data);
        std::swap(bytes, other.bytes);
        std::swap(start, other.start);
        std::swap(mapped, other.mapped);
        return *this;
    }
    ~Guarded() {
        if (start != nullptr) munmap(start, mapped);
    }

    char *data = nullptr;
    std::size_t bytes = 0;

   private:
    void *start = nullptr;
    std::size_t mapped = 0;
};

struct Argument {
    std::string kind, type;  // type: of arrays, in NumPy's letters
    std::size_t integer = 0;
    double real = 0.0;
    Guarded memory;
    std::size_t offset = 0;
    std::vector<std::size_t> shape;
    std::vector<std::ptrdiff_t> strides;

    std::size_t element_size() const { return static_cast<std::size_t>(type.at(1) - '0'); }
};

class Call {
   public:
    std::string name;

    // False at the end of the input.
    bool read() {
        std::string line;
        if (!std::getline(std::cin, line)) return false;
        std::istringstream words(line);
        words >> name;
        for (std::string kind; words >> kind;) {
            Argument &argument = arguments.emplace_back();
            argument.kind = kind;
            if (kind == "integer") words >> argument.integer;
            if (kind == "real") words >> argument.real;
            if (kind == "array") {
                std::size_t size = 0, dimensions = 0;
                words >> argument.type >> size >> argument.offset >> dimensions;
                argument.memory = Guarded(size);
                argument.shape.resize(dimensions);
                argument.strides.resize(dimensions);
                for (std::size_t &n : argument.shape) words >> n;
                for (std::ptrdiff_t &stride : argument.strides) words >> stride;
            }
            if (!words) fail("not to be understood: " + line);
        }
        for (const Argument &argument : arguments)
            if (!std::cin.read(argument.memory.data, static_cast<std::streamsize>(argument.memory.bytes)))
                fail("the input ends inside an array");
        return true;
    }

    void result(std::size_t figure) { figures << figure << ' '; }
    void result(double figure) {
        char exact[40];
        std::snprintf(exact, sizeof exact, "%a ", figure);
        figures << exact;
    }

    void answer() const {
        std::cout << figures.str() << "outputs";
        for (const std::size_t i : outputs) std::cout << ' ' << i;
        std::cout << '\n';
        for (const std::size_t i : outputs)
            std::cout.write(arguments[i].memory.data, static_cast<std::streamsize>(arguments[i].memory.bytes));
        std::cout.flush();
    }

    // ---- arguments, by their place ----------------------------------------------------------------------------------

    std::size_t integer(std::size_t i) const { return at(i, "integer").integer; }
    double real(std::size_t i) const { return at(i, "real").real; }
    bool given(std::size_t i) const { return at(i).kind != "none"; }
    std::size_t length(std::size_t i, std::size_t axis = 0) const { return at(i, "array").shape.at(axis); }
    std::size_t leading(std::size_t i) const {
        return static_cast<std::size_t>(at(i, "array").strides.at(0)) / at(i).element_size();
    }

    template <typename T>
    const T *in(std::size_t i) const {
        return given(i) ? own<T>(i) : nullptr;
    }

    // What is written here is lost.
    template <typename T>
    T *own(std::size_t i) const {
        const Argument &array = at(i, "array");
        const char kind = std::is_floating_point_v<T> ? 'f' : std::is_unsigned_v<T> ? 'u' : 'i';
        if (array.type.at(0) != kind || array.element_size() != sizeof(T)) refuse(i, "has the type " + array.type);
        return reinterpret_cast<T *>(array.memory.data + array.offset);
    }

    // What is written here goes back to the caller.
    template <typename T>
    T *out(std::size_t i) {
        outputs.push_back(i);
        return own<T>(i);
    }

    // Whether the arithmetic is of float: X, which comes first, may be of any type, and the rest is all of one.
    bool single() const {
        for (const Argument &argument : arguments)
            if (argument.type == "f4" && (&argument != &arguments.front() || name.find("softmax") != name.npos || name.ends_with("packed") || name == "largest")) return true;
        return false;
    }

    softreg::Source source(std::size_t X, std::size_t rows, std::size_t n) const {
        const Argument &array = at(X, "array");
        const char *const types[] = {"u1", "i1", "f2", "u2", "f4", "f8"};  // in the order of Element
        int element = 0;
        while (array.type != types[element])
            if (++element == 6) refuse(X, "has the type " + array.type);
        return {reinterpret_cast<const unsigned char *>(array.memory.data + array.offset), array.strides.at(0),
                array.strides.at(1), static_cast<softreg::Element>(element), in<std::int64_t>(rows), n, array.shape.at(1)};
    }

    softreg::Labels labels(std::size_t labels, std::size_t weights, std::size_t rows) const {
        return {in<std::int32_t>(labels), in<double>(weights), in<std::int64_t>(rows)};
    }

   private:
    [[noreturn]] void refuse(std::size_t i, const std::string &why) const {
        fail(name + ": argument " + std::to_string(i) + ' ' + why);
    }

    const Argument &at(std::size_t i, const char *kind = nullptr) const {
        if (i >= arguments.size()) refuse(i, "is not there");
        if (kind != nullptr && arguments[i].kind != kind) refuse(i, "is no " + std::string(kind));
        return arguments[i];
    }

    std::vector<Argument> arguments;
    std::vector<std::size_t> outputs;
    std::ostringstream figures;
};
