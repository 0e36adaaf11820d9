#include "process.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

extern char** environ;

namespace tessera::test {

namespace {

std::string takeFile(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    std::filesystem::remove(path);
    return text.str();
}

// A child that finds these would take itself for a rank of this test's own MPI job.
bool ofThisJob(const std::string& variable) {
    for (const char* prefix :
         {"PMIX_", "OMPI_COMM_WORLD", "OMPI_UNIVERSE", "OMPI_FIRST_RANKS", "ORTE_", "OMPI_MCA_ess", "OMPI_MCA_orte",
          "OMPI_NUM_APP", "OMPI_MCA_initial", "OMPI_MCA_pmix", "OMPI_COMMAND", "OMPI_ARGV", "OMPI_APP_CTX"})
        if (variable.rfind(prefix, 0) == 0) return true;
    return false;
}

}  // namespace

Outcome runProcess(const std::string& program, const std::vector<std::string>& args, const std::string& directory,
                   const std::vector<std::string>& environment, const ProcessLimits& limits) {
    const std::string base = std::filesystem::temp_directory_path() / ("tessera_process_" + std::to_string(getpid()));
    const std::string out = limits.standardOut.empty() ? base + ".out" : limits.standardOut, err = base + ".err";
    std::vector<std::string> variables(environment);
    for (char** v = environ; *v != nullptr; ++v)
        if (!ofThisJob(*v)) variables.push_back(*v);
    std::vector<char*> argv{const_cast<char*>(program.c_str())}, envp;
    for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
    for (const std::string& v : variables) envp.push_back(const_cast<char*>(v.c_str()));
    argv.push_back(nullptr);
    envp.push_back(nullptr);

    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
        const int flags = O_WRONLY | O_CREAT | O_TRUNC;
        if (dup2(open(out.c_str(), flags, 0600), 1) < 0 || dup2(open(err.c_str(), flags, 0600), 2) < 0) _exit(126);
        if (chdir(directory.c_str()) != 0) _exit(126);
        if (limits.fileBytes >= 0) {
            const rlimit limit{rlim_t(limits.fileBytes), rlim_t(limits.fileBytes)};
            if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(126);
        }
        execvpe(program.c_str(), argv.data(), envp.data());
        _exit(127);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) throw std::runtime_error("lost a child process");
    Outcome o;
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (limits.standardOut.empty()) o.out = takeFile(out);
    o.err = takeFile(err);
    return o;
}

}  // namespace tessera::test
