// Buffer: a move-only, uninitialised, 64-byte aligned owner of trivially copyable values; large ones in huge pages.
// Views are std::span (trivially copyable, checked in Debug by the standard library).
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace tessera {

inline constexpr std::size_t hugeBufferBytes = std::size_t(8) << 20;  // [byte] from here on: huge pages

namespace detail {
inline constexpr std::size_t bufferAlignment = 64;
void* allocate(std::size_t bytes);  // bytes > 0; std::bad_alloc where there is no memory
void release(void*, std::size_t bytes) noexcept;
}  // namespace detail

template <class T>
class Buffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    static constexpr std::size_t alignment = detail::bufferAlignment;

    Buffer() = default;
    explicit Buffer(std::size_t n) : size_(n), capacity_(n) {
        if (n > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
        if (n != 0) data_ = static_cast<T*>(detail::allocate(n * sizeof(T)));
    }
    Buffer(std::size_t n, T value) : Buffer(n) {
        for (std::size_t i = 0; i < n; ++i) data_[i] = value;
    }
    Buffer(Buffer&& o) noexcept
        : data_(std::exchange(o.data_, nullptr)),
          size_(std::exchange(o.size_, 0)),
          capacity_(std::exchange(o.capacity_, 0)) {}
    Buffer& operator=(Buffer&& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
        std::swap(capacity_, o.capacity_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() {
        if (capacity_ != 0) detail::release(data_, capacity_ * sizeof(T));
    }

    // n values that someone else owns and that outlive it.
    static Buffer borrow(T* data, std::size_t n) noexcept {
        Buffer b;
        b.data_ = data;
        b.size_ = n;
        return b;
    }

    Buffer clone() const {
        Buffer b(size_);
        if (size_ != 0) std::memcpy(static_cast<void*>(b.data_), data_, size_ * sizeof(T));
        return b;
    }
    // n values of any content, in the memory that is there where it suffices.
    void reshape(std::size_t n) {
        if (n > capacity_) {
            *this = Buffer();  // first, so that old and new memory are not there at once
            *this = Buffer(n);
        }
        size_ = n;
    }
    // Forgets what lies behind the first n values; the memory stays owned.
    void shrink(std::size_t n) noexcept { size_ = n < size_ ? n : size_; }

    T* data() noexcept { return data_; }
    const T* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    T& operator[](std::size_t i) noexcept { return data_[i]; }
    const T& operator[](std::size_t i) const noexcept { return data_[i]; }
    T* begin() noexcept { return data_; }
    T* end() noexcept { return data_ + size_; }
    const T* begin() const noexcept { return data_; }
    const T* end() const noexcept { return data_ + size_; }
    std::span<T> view() noexcept { return {data_, size_}; }
    std::span<const T> view() const noexcept { return {data_, size_}; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0, capacity_ = 0;  // capacity 0: the memory is not its own
};

}  // namespace tessera
